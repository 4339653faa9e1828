# Two images: `service` answers queries and has no torch; `train` adds what trains.
# pip's own settings can be given as build arguments.
FROM python:3.11-slim-bookworm AS build
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS
WORKDIR /src
RUN python3 -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY core core
COPY training training
COPY index index
COPY evaluation evaluation
COPY app app
RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip install --constraint constraints.txt .

FROM build AS build-train
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS
RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip install --constraint constraints.txt '.[train]'

FROM python:3.11-slim-bookworm AS base
# OpenMP, which scikit-learn and torch bring themselves and implicit does not
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home riyl && mkdir /data && chown riyl /data
ENV PATH=/venv/bin:$PATH RIYL_HOME=/data PYTHONUNBUFFERED=1
USER riyl
WORKDIR /data
VOLUME /data
ENTRYPOINT ["riyl"]

FROM base AS train
COPY --from=build-train /venv /venv
CMD ["demo", "--no-serve"]

FROM base AS service
COPY --from=build /venv /venv
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["serve", "--host", "0.0.0.0"]
