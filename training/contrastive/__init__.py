"""The contrastive encoders of Ferraro et al., ISMIR 2023: networks, losses, training loop, export to ONNX."""
