# Training and export, on the CPU. From the root of the project:
#   docker build -f deploy/training.Dockerfile -t stripwatch-training .
#   docker run --rm -v $PWD/images:/data:ro -v $PWD/runs:/runs stripwatch-training \
#     training fit --data /data --network mobilenet --alpha 0.25 --weights none --out /runs/first
#   docker run --rm -v $PWD/runs:/runs stripwatch-training export run /runs/first --out /runs/model.onnx
# Mount /runs so that the user 10001 may write to it. A GPU needs tensorflow[and-cuda] in place of the lock's tensorflow-cpu.
FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/app/src HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /app
RUN ["python3", "-m", "venv", "/opt/venv"]
COPY requirements/train.txt requirements/train.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/train.txt
COPY src src
COPY worker worker
COPY export export
COPY training training
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["training", "--help"]
