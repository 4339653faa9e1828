# Two images: `service` answers queries and has no torch; `train` adds what trains.
# pip's own settings can be given as build arguments. TORCH is PyTorch's build: cpu, cu130, ... by uv, or pip for what
# pip finds; by default as scripts/torch_backend.sh says, which is cpu where pip has no index of its own.
# What RIYL needs comes first: it changes less often than RIYL.
FROM python:3.11-slim-bookworm AS needs
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS
WORKDIR /src
RUN python3 -m venv /venv
COPY pyproject.toml constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    mkdir -p src/riyl && touch README.md LICENSE src/riyl/__init__.py \
    && /venv/bin/pip install --constraint constraints.txt .

FROM needs AS needs-train
ARG TORCH
COPY scripts scripts
RUN --mount=type=cache,target=/root/.cache/pip \
    TORCH=${TORCH:-$(sh scripts/torch_backend.sh /venv/bin/python)} && if [ "$TORCH" != pip ]; then \
    python3 -m venv /uv && /uv/bin/pip install --constraint constraints.txt uv && /uv/bin/uv pip install --no-cache \
    --python /venv/bin/python --torch-backend "$TORCH" --constraint constraints.txt torch; fi
RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip install --constraint constraints.txt '.[train]'

FROM needs AS wheel
# setuptools keeps what an earlier build left where that is newer than the source, as the empty package of `needs` is
RUN rm -rf build src
COPY README.md LICENSE ./
# src/riyl links to the packages
COPY src src
COPY core core
COPY training training
COPY index index
COPY evaluation evaluation
COPY app app
RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip wheel --no-deps --wheel-dir /wheel .

FROM needs AS build
COPY --from=wheel /wheel /wheel
RUN /venv/bin/pip install --no-deps --force-reinstall /wheel/*.whl

FROM needs-train AS build-train
COPY --from=wheel /wheel /wheel
RUN /venv/bin/pip install --no-deps --force-reinstall /wheel/*.whl

FROM python:3.11-slim-bookworm AS base
# OpenMP, which scikit-learn and torch bring themselves and implicit does not
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home riyl && mkdir /data && chown riyl /data
# matplotlib keeps its list of fonts in /tmp: the rest of the file system is read-only under compose
ENV PATH=/venv/bin:$PATH RIYL_HOME=/data PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib
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
