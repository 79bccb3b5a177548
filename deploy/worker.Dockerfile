# The worker and its other commands (topics, simulate, replay, view). Two targets, built from the root of the project:
#   docker build -f deploy/worker.Dockerfile --target cpu -t stripwatch-worker:cpu .
#   docker build -f deploy/worker.Dockerfile --target gpu -t stripwatch-worker:gpu .
# Only the packages in the lock files (verified by hash) and this project's wheel are installed. The locks use
# opencv-python-headless, which needs neither libGL nor glib, so the slim image needs no system packages. The image has
# no TensorFlow.
FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /app
RUN ["python3", "-m", "venv", "/opt/venv"]

# src contains links to the other three folders.
FROM base AS wheel
COPY requirements/build.txt requirements/build.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY worker worker
COPY training training
COPY export export
RUN pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir dist .

FROM base AS worker
ENV STRIPWATCH_METRICS__HOST=0.0.0.0
EXPOSE 9108
# For `run` only; containers with other commands disable it. 60 s to verify a bundle and warm up.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9108/readyz', timeout=4)"]
# A volume here preserves the worker's name in its group (RUNTIME_DIRECTORY) when its container restarts.
RUN ["install", "-d", "-o", "10001", "-g", "10001", "/run/stripwatch"]
ENTRYPOINT ["stripwatch"]
CMD ["run"]

FROM worker AS cpu
COPY requirements/demo.txt requirements/demo.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/demo.txt
COPY --from=wheel /app/dist dist
RUN pip install --no-cache-dir --no-index --no-deps dist/*.whl
# The wheel contains the demo bundle too, but this path does not depend on the Python version.
COPY worker/bench/strip-mobilenet.onnx strip-mobilenet.onnx
# A numeric user lets Kubernetes verify that it is not root. The root file system may be read-only.
USER 10001:10001

# The lock installs CUDA and cuDNN. NVIDIA's container runtime provides the driver.
FROM worker AS gpu
COPY requirements/gpu.txt requirements/gpu.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/gpu.txt
COPY --from=wheel /app/dist dist
RUN pip install --no-cache-dir --no-index --no-deps dist/*.whl
COPY worker/bench/strip-mobilenet.onnx strip-mobilenet.onnx
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility STRIPWATCH_PROVIDER=cuda
USER 10001:10001
