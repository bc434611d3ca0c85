# The app under the real Functions host, for compose.yaml. Azure gets a package instead (infra/deploy.sh).
# Microsoft renews this tag with each host release.
FROM mcr.microsoft.com/azure-functions/python:4-python3.13
WORKDIR /home/site/wwwroot
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY function_app.py host.json ./
COPY functions functions
COPY shared shared
