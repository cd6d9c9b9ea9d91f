// The Go application of the performance tuning guide: gin and database/sql, tuned as the guide says.
//
// Settings: PORT, DATABASE_URL, and CACHE=off for a service without its in-memory cache.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	_ "github.com/jackc/pgx/v4/stdlib"
)

func main() {
	store, err := openStore(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	server := &http.Server{
		Addr:              "127.0.0.1:" + os.Getenv("PORT"),
		Handler:           routes(store, newUserCache(os.Getenv("CACHE") != "off")),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       65 * time.Second,
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func routes(store *Store, cache userCache) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	// Without gin's logger: the other services log no requests either.
	router := gin.New()
	router.Use(gin.Recovery())
	router.GET("/health", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"status": "ok"})
	})
	router.GET("/users/:id", getUser(store, cache))
	router.GET("/users", listUsers(store))
	router.GET("/all", getAll(store))
	return router
}
