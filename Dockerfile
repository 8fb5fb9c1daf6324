# fewfit's server with its dashboard, its worker and the weights of one base.
#
#   docker build -t fewfit .                                                 # --build-arg BASES="english-small multilingual" for others
#   docker run --rm -v fewfit:/data fewfit keys create admin --scopes admin  # once; prints the key
#   docker run -d -p 127.0.0.1:8000:8000 -v fewfit:/data fewfit
#
# docs/deploy.md says what belongs in front of it.
FROM docker.io/library/python:3.11-slim AS build
COPY pyproject.toml constraints.txt README.md LICENSE /src/
COPY fewfit /src/fewfit
# An index with wheels of torch for the CPU alone (PyTorch has one): without it an image for x86 holds those of CUDA, too, 4 GB more.
ARG PIP_EXTRA_INDEX_URL
RUN python3 -m venv /opt/fewfit \
    && /opt/fewfit/bin/pip install --no-cache-dir -c /src/constraints.txt "/src[all,s3]"
ARG BASES=multilingual
ENV FEWFIT_CACHE=/opt/fewfit/cache
RUN /opt/fewfit/bin/fewfit bases fetch ${BASES}

FROM docker.io/library/python:3.11-slim
RUN useradd --system --home-dir /data fewfit && install --directory --owner fewfit /data
COPY --from=build --chown=fewfit /opt/fewfit /opt/fewfit
ENV PATH=/opt/fewfit/bin:$PATH \
    FEWFIT_CACHE=/opt/fewfit/cache \
    FEWFIT_DATA=/data \
    FEWFIT_HOST=0.0.0.0
USER fewfit
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=60s \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
ENTRYPOINT ["fewfit"]
CMD ["serve"]
