module peer

go 1.19

require (
	github.com/gin-gonic/gin v1.8.1
	github.com/jackc/pgx/v4 v4.15.0
	github.com/patrickmn/go-cache v2.1.0+incompatible
)
