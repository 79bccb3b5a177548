# Training and export on the CPU. Run from the root of the project:
#   docker build -f deploy/training.Dockerfile -t stripwatch-training .
#   docker run --rm -v $PWD/images:/data:ro -v $PWD/runs:/runs stripwatch-training \
#     train fit --data /data --network mobilenet --alpha 0.25 --weights none --out /runs/first
#   docker run --rm -v $PWD/runs:/runs stripwatch-training export run /runs/first --out /runs/model.onnx
# The folder mounted at /runs must be writable for user 10001. A GPU needs tensorflow[and-cuda] instead of the lock's
# tensorflow-cpu.
FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
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

FROM base AS training
COPY requirements/train.txt requirements/train.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/train.txt
COPY --from=wheel /app/dist dist
RUN pip install --no-cache-dir --no-index --no-deps dist/*.whl
USER 10001:10001
ENTRYPOINT ["stripwatch"]
CMD ["train", "--help"]
