# The worker and every command beside it (topics, simulate, replay, view). Two targets, from the root of the project:
#   docker build -f deploy/worker.Dockerfile --target cpu -t stripwatch-worker:cpu .
#   docker build -f deploy/worker.Dockerfile --target gpu -t stripwatch-worker:gpu .
# Nothing is installed but what the locks name, by hash, and this project's wheel. The locks take
# opencv-python-headless, which needs neither libGL nor glib, so the slim image needs no system package. There is no
# TensorFlow in it.
FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /app
RUN ["python3", "-m", "venv", "/opt/venv"]

# src holds links to the three folders beside it.
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
# For `run` alone: a container of another command switches it off. 60 s to verify a bundle and warm up.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9108/readyz', timeout=4)"]
# A volume here keeps the worker's name in its group (RUNTIME_DIRECTORY) when its container starts again.
RUN ["install", "-d", "-o", "10001", "-g", "10001", "/run/stripwatch"]
ENTRYPOINT ["stripwatch"]
CMD ["run"]

FROM worker AS cpu
COPY requirements/demo.txt requirements/demo.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/demo.txt
COPY --from=wheel /app/dist dist
RUN pip install --no-cache-dir --no-index --no-deps dist/*.whl
# The demo's bundle lies in the wheel too; here it has a path that does not name a version of Python.
COPY worker/bench/strip-mobilenet.onnx strip-mobilenet.onnx
# By number, so that Kubernetes can see that it is not root. It writes nothing: the root file system may be read-only.
USER 10001:10001

# CUDA and cuDNN come with the lock, the driver with NVIDIA's container runtime.
FROM worker AS gpu
COPY requirements/gpu.txt requirements/gpu.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/gpu.txt
COPY --from=wheel /app/dist dist
RUN pip install --no-cache-dir --no-index --no-deps dist/*.whl
COPY worker/bench/strip-mobilenet.onnx strip-mobilenet.onnx
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility STRIPWATCH_PROVIDER=cuda
USER 10001:10001
