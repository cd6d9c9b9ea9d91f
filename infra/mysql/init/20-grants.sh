# Sourced by the image's entrypoint (it is deliberately not executable), which provides docker_process_sql. Runs once.
# The application's user may read statement digests. An exporter, if it has a secret, may read only statistics.

docker_process_sql <<<"GRANT SELECT ON performance_schema.* TO '$MYSQL_USER'@'%';"

if [[ -r /run/secrets/mysql_exporter_password ]]; then
  docker_process_sql <<SQL
CREATE USER 'exporter'@'%' IDENTIFIED BY '$(</run/secrets/mysql_exporter_password)' WITH MAX_USER_CONNECTIONS 3;
GRANT PROCESS, REPLICATION CLIENT ON *.* TO 'exporter'@'%';
GRANT SELECT ON performance_schema.* TO 'exporter'@'%';
SQL
fi
