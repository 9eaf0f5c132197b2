# The web page and the survey server, from the wheel that `make release` builds in dist/:
#
#   docker build -t chromalab .
#   docker run -p 8000:8000 chromalab
#   sudo chown -R 10001 survey
#   docker run -p 8000:8000 -v "$PWD/survey:/data" chromalab survey serve /data --host 0.0.0.0 --port 8000
#
# The user of the container, number 10001, must be allowed to write into a mounted survey.
FROM python:3.12-slim

COPY constraints.txt dist/chromalab-*.whl /install/
RUN pip install --no-cache-dir -c /install/constraints.txt "$(echo /install/*.whl)[scans,survey]" && \
    useradd --uid 10001 --create-home chromalab && \
    mkdir /data && chown chromalab /data

USER chromalab
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --start-period=20s \
    CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/', timeout=3)"
ENTRYPOINT ["chromalab"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
