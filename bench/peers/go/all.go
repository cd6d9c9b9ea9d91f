package main

import (
	"context"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
)

type allLists struct {
	Users    []User    `json:"users"`
	Orders   []Order   `json:"orders"`
	Products []Product `json:"products"`
}

// fetchAll is the guide's GetAllData; in addition, the first failure cancels the other queries.
func fetchAll(ctx context.Context, store *Store, limit int) (*allLists, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		lists allLists
		first error
		once  sync.Once
		group sync.WaitGroup
	)
	run := func(fetch func() error) {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := fetch(); err != nil {
				once.Do(func() {
					first = err
					cancel()
				})
			}
		}()
	}
	run(func() (err error) { lists.Users, err = store.UsersAfter(ctx, 0, limit); return })
	run(func() (err error) { lists.Orders, err = store.NewestOrders(ctx, limit); return })
	run(func() (err error) { lists.Products, err = store.Products(ctx, limit); return })
	group.Wait()
	if first != nil {
		return nil, first
	}
	return &lists, nil
}

func getAll(store *Store) gin.HandlerFunc {
	return func(c *gin.Context) {
		lists, err := fetchAll(c.Request.Context(), store, limitOf(c, 100))
		if err != nil {
			c.JSON(http.StatusBadGateway, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusOK, lists)
	}
}
