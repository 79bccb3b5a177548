# The worker and every command beside it (topics, simulate, replay, view). Two targets, from the root of the project:
#   docker build -f deploy/worker.Dockerfile --target cpu -t stripwatch-worker:cpu .
#   docker build -f deploy/worker.Dockerfile --target gpu -t stripwatch-worker:gpu .
# Nothing is installed but what the locks name, by hash. The locks take opencv-python-headless, which needs neither libGL nor
# glib, so the slim image needs no system package. There is no TensorFlow in it.
FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/app/src HOME=/tmp STRIPWATCH_METRICS_HOST=0.0.0.0
WORKDIR /app
RUN ["python3", "-m", "venv", "/opt/venv"]
EXPOSE 9108
# For `run` alone: a container of another command switches it off. 60 s to verify a bundle and warm up.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9108/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "stripwatch.worker"]
CMD ["run"]

FROM base AS cpu
COPY requirements/demo.txt requirements/demo.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/demo.txt
COPY src src
COPY worker worker
# By number, so that Kubernetes can see that it is not root. It writes nothing: the root file system may be read-only.
USER 10001:10001

# CUDA and cuDNN come with the lock, the driver with NVIDIA's container runtime.
FROM base AS gpu
COPY requirements/gpu.txt requirements/gpu.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/gpu.txt
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility STRIPWATCH_PROVIDER=cuda
COPY src src
COPY worker worker
USER 10001:10001
