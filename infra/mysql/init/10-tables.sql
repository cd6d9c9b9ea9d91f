-- Tables of the tuning guide with rows, to try slow queries, digests and index use. Runs once, in the database that
-- MYSQL_DATABASE names. The tables have the columns of the API's tables in Postgres that are not specific to the API.
CREATE TABLE users (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(200) NOT NULL,
  email varchar(320) NOT NULL,
  created_at datetime(3) NOT NULL,
  -- The guide's idx_users_email, as a unique key: an address registers only once.
  UNIQUE KEY users_email_unique (email)
);

CREATE TABLE products (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(200) NOT NULL,
  category varchar(50) NOT NULL,
  price_cents int unsigned NOT NULL,
  KEY products_category_price (category, price_cents)
);

CREATE TABLE orders (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id bigint unsigned NOT NULL,
  product_id bigint unsigned NOT NULL,
  status enum('pending', 'paid', 'shipped', 'delivered', 'cancelled') NOT NULL,
  quantity int unsigned NOT NULL,
  total_cents int unsigned NOT NULL,
  created_at datetime(3) NOT NULL,
  -- The orders of a user, newest first. It serves user_id alone as well, so the guide's idx_orders_user_id would be redundant.
  KEY orders_user_created (user_id, created_at DESC),
  -- Lists of all orders, newest first.
  KEY orders_created (created_at DESC),
  -- Compound: open orders of a user.
  KEY orders_status_user_created (status, user_id, created_at DESC),
  CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT orders_product FOREIGN KEY (product_id) REFERENCES products (id)
);

SET SESSION cte_max_recursion_depth = 20000;

INSERT INTO users (name, email, created_at)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
SELECT CONCAT('User ', i), CONCAT('user', i, '@example.com'), TIMESTAMP '2026-01-01 00:00:00' + INTERVAL i MINUTE FROM n;

INSERT INTO products (name, category, price_cents)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
SELECT CONCAT('Product ', i), ELT(1 + i MOD 5, 'books', 'games', 'garden', 'music', 'tools'), 500 + (i * 7919) MOD 20000 FROM n;

INSERT INTO orders (user_id, product_id, status, quantity, total_cents, created_at)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
SELECT
  1 + (i * 7919) MOD 1000,
  1 + (i * 104729) MOD 200,
  ELT(1 + i MOD 5, 'pending', 'paid', 'shipped', 'delivered', 'cancelled'),
  1 + i MOD 4,
  1000 + (i * 6007) MOD 50000,
  TIMESTAMP '2026-02-01 00:00:00' + INTERVAL i MINUTE
FROM n;

ANALYZE TABLE users, products, orders;
