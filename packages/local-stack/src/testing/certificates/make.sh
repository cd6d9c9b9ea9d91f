#!/bin/sh
# Makes the certificates of the tests again, valid from 2020 to 2120 (one is expired): sh make.sh. The tests themselves need
# no openssl. The keys are worthless: they are public.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cat >"$work/ca.cnf" <<END
[ca]
default_ca = tests
[tests]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
END
: >"$work/index"
echo 1000 >"$work/serial"

request() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$work/request"
}

certificate() {
  name=$1 until=$2
  shift 2
  openssl ca -batch -notext -config "$work/ca.cnf" -extfile "$work/extensions" -startdate 20200101000000Z \
    -enddate "$until" -in "$work/request" -out "$name.crt" "$@"
}

authority() {
  request "$1" "$2"
  printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n' >"$work/extensions"
  certificate "$1" 21200101000000Z -selfsign -keyfile "$1.key"
}

# name, subject, alternative names, end
signed() {
  request "$1" "$2"
  printf 'basicConstraints=CA:FALSE\n%s\n' "${3:+subjectAltName=$3}" >"$work/extensions"
  certificate "$1" "$4" -cert authority.crt -keyfile authority.key
}

authority authority 'Authority of the tests'
authority other-authority 'Another authority of the tests'
signed server localhost 'DNS:localhost,IP:127.0.0.1,IP:::1' 21200101000000Z
signed elsewhere elsewhere.example 'DNS:elsewhere.example' 21200101000000Z
signed expired localhost 'DNS:localhost,IP:127.0.0.1' 20200102000000Z
signed client reference '' 21200101000000Z
openssl ec -in client.key -aes256 -passout pass:open-sesame -out client-encrypted.key
rm authority.key other-authority.key
