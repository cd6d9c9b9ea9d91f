package main

import (
	"context"
	"database/sql"
	"time"
)

// Timestamp is written as the other services write it: UTC with milliseconds.
type Timestamp time.Time

func (t Timestamp) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(make([]byte, 0, 32), `"2006-01-02T15:04:05.000Z"`), nil
}

type User struct {
	ID        int       `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	CreatedAt Timestamp `json:"createdAt"`
}

type Order struct {
	ID         int       `json:"id"`
	UserID     int       `json:"userId"`
	ProductID  int       `json:"productId"`
	Quantity   int       `json:"quantity"`
	TotalCents int64     `json:"totalCents"`
	Status     string    `json:"status"`
	CreatedAt  Timestamp `json:"createdAt"`
}

type Product struct {
	ID         int    `json:"id"`
	Name       string `json:"name"`
	Category   string `json:"category"`
	PriceCents int    `json:"priceCents"`
}

// Store holds the pool and its prepared statements.
type Store struct {
	db                                    *sql.DB
	userByID, usersPage, orders, products *sql.Stmt
}

func openStore(url string) (*Store, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	// The guide's pool, except for 5 idle connections of 25: under load that closes and opens 20 of them again and again.
	db.SetMaxOpenConns(25)
	db.SetMaxIdleConns(25)
	db.SetConnMaxLifetime(5 * time.Minute)
	db.SetConnMaxIdleTime(1 * time.Minute)

	store := &Store{db: db}
	for _, each := range []struct {
		statement **sql.Stmt
		text      string
	}{
		{&store.userByID, `SELECT id, email, name, created_at FROM users WHERE id = $1`},
		{&store.usersPage, `SELECT id, email, name, created_at FROM users WHERE id > $1 ORDER BY id LIMIT $2`},
		{&store.orders, `SELECT id, user_id, product_id, quantity, total_cents, status, created_at
			FROM orders ORDER BY created_at DESC, id DESC LIMIT $1`},
		{&store.products, `SELECT id, name, category, price_cents FROM products ORDER BY id LIMIT $1`},
	} {
		if *each.statement, err = db.Prepare(each.text); err != nil {
			db.Close()
			return nil, err
		}
	}
	return store, nil
}

func (s *Store) Close() { s.db.Close() }

func (s *Store) UserByID(ctx context.Context, id int) (*User, error) {
	var user User
	err := s.userByID.QueryRowContext(ctx, id).
		Scan(&user.ID, &user.Email, &user.Name, (*time.Time)(&user.CreatedAt))
	if err != nil {
		return nil, err
	}
	return &user, nil
}

func (s *Store) UsersAfter(ctx context.Context, after, limit int) ([]User, error) {
	rows, err := s.usersPage.QueryContext(ctx, after, limit)
	return collect(rows, err, limit, func(user *User) []any {
		return []any{&user.ID, &user.Email, &user.Name, (*time.Time)(&user.CreatedAt)}
	})
}

func (s *Store) NewestOrders(ctx context.Context, limit int) ([]Order, error) {
	rows, err := s.orders.QueryContext(ctx, limit)
	return collect(rows, err, limit, func(order *Order) []any {
		return []any{&order.ID, &order.UserID, &order.ProductID, &order.Quantity, &order.TotalCents, &order.Status,
			(*time.Time)(&order.CreatedAt)}
	})
}

func (s *Store) Products(ctx context.Context, limit int) ([]Product, error) {
	rows, err := s.products.QueryContext(ctx, limit)
	return collect(rows, err, limit, func(product *Product) []any {
		return []any{&product.ID, &product.Name, &product.Category, &product.PriceCents}
	})
}

func collect[Row any](rows *sql.Rows, err error, limit int, columns func(*Row) []any) ([]Row, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	collected := make([]Row, 0, limit)
	for rows.Next() {
		var row Row
		if err := rows.Scan(columns(&row)...); err != nil {
			return nil, err
		}
		collected = append(collected, row)
	}
	return collected, rows.Err()
}
