"""The API's contract as pydantic models, one module a resource."""
