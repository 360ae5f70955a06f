# The image that k8s/rayservice.yaml runs: locked, compiled, without root and without development packages.
#   docker build -t tierfold:0.1.0 .
FROM python:3.11-slim AS wheel
WORKDIR /src
COPY requirements-build.lock ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml LICENSE README.md ./
COPY platform platform
COPY actors actors
COPY serve_configs serve_configs
RUN python -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheel .

FROM python:3.11-slim
# KubeRay's probes call wget.
RUN apt-get update && apt-get install --no-install-recommends -y wget && rm -rf /var/lib/apt/lists/*
# A fixed number, because runAsNonRoot in Kubernetes cannot look names up.
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/tierfold tierfold
WORKDIR /app
# Into the system's Python: KubeRay starts a login shell, which forgets the PATH of a virtual environment.
# Compiled here, once: nobody but root could write it later, and uncompiled Ray doubles every start.
COPY requirements-ray.lock ./
RUN python -m pip install --no-cache-dir --no-compile --require-hashes -r requirements-ray.lock \
  && { python -m compileall -qq -j 0 -x '/(tests|rllib)/' /usr/local/lib/python3.11 || true; }
COPY --from=wheel /wheel /wheel
RUN python -m pip install --no-cache-dir --no-deps --no-index --compile /wheel/*.whl
USER 10001:10001
EXPOSE 8000
# Without API keys this refuses to start and says so; KubeRay replaces the command by its own.
CMD ["tierfold", "up", "--host", "0.0.0.0"]
