#!/bin/bash
# Exit code 0 when MySQL takes a login by address and answers. By address, since the server of the first start, which is not
# ready yet, listens on its socket alone; the password is not on the command line.
MYSQL_PWD=$(</run/secrets/mysql_password)
export MYSQL_PWD
[[ $(mysql --host=127.0.0.1 --user=reference --skip-column-names --batch --execute='SELECT 1' 2>/dev/null) == 1 ]]
