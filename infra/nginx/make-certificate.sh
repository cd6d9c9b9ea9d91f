#!/bin/sh
# make-certificate.sh [FOLDER] [NAME]: a self-signed certificate to try TLS (secrets/tls, localhost), valid for 30 days.
set -eu
folder=${1:-secrets/tls} name=${2:-localhost}
mkdir -p "$folder"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$name" \
  -addext "subjectAltName=DNS:$name" -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
# nginx reads the files as an unprivileged user.
chmod 644 "$folder/key.pem" "$folder/certificate.pem"
echo "$folder/certificate.pem $folder/key.pem"
