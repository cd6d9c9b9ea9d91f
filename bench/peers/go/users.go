package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/patrickmn/go-cache"
)

// userCache is the guide's in-memory cache; nil without one.
type userCache struct{ users *cache.Cache }

func newUserCache(on bool) userCache {
	if !on {
		return userCache{}
	}
	return userCache{cache.New(5*time.Minute, 10*time.Minute)}
}

func (c userCache) get(ctx context.Context, key string, id int, store *Store) (*User, error) {
	if c.users == nil {
		return store.UserByID(ctx, id)
	}
	if user, found := c.users.Get(key); found {
		return user.(*User), nil
	}
	user, err := store.UserByID(ctx, id)
	if err == nil {
		c.users.Set(key, user, cache.DefaultExpiration)
	}
	return user, err
}

func getUser(store *Store, cache userCache) gin.HandlerFunc {
	return func(c *gin.Context) {
		key := c.Param("id")
		id, err := strconv.Atoi(key)
		if err != nil || id < 1 {
			c.JSON(http.StatusBadRequest, gin.H{"error": "id is a positive number"})
			return
		}
		user, err := cache.get(c.Request.Context(), "user:"+key, id, store)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			c.JSON(http.StatusNotFound, gin.H{"error": "no such user"})
		case err != nil:
			c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		default:
			c.JSON(http.StatusOK, user)
		}
	}
}

type userPage struct {
	Items []User  `json:"items"`
	Next  *string `json:"next"`
}

func listUsers(store *Store) gin.HandlerFunc {
	return func(c *gin.Context) {
		limit := limitOf(c, 50)
		after := 0
		if cursor := c.Query("after"); cursor != "" {
			text, err := base64.RawURLEncoding.DecodeString(cursor)
			if err == nil {
				after, err = strconv.Atoi(string(text))
			}
			if err != nil {
				c.JSON(http.StatusBadRequest, gin.H{"error": "after is no cursor"})
				return
			}
		}
		users, err := store.UsersAfter(c.Request.Context(), after, limit+1)
		if err != nil {
			c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
			return
		}
		page := userPage{Items: users}
		if len(users) > limit {
			page.Items = users[:limit]
			next := base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(users[limit-1].ID)))
			page.Next = &next
		}
		c.JSON(http.StatusOK, page)
	}
}

func limitOf(c *gin.Context, fallback int) int {
	limit, err := strconv.Atoi(c.Query("limit"))
	if err != nil || limit < 1 || limit > 500 {
		return fallback
	}
	return limit
}
