// Collections of the tuning guide with its indexes and some rows, to try slow operations and index use. The image runs
// this file once, in mongosh, against the database that MONGO_INITDB_DATABASE names. Checked against the documentation.
/* global db, print */
const { readFileSync } = require('node:fs')

db.createUser({
  user: 'reference',
  pwd: readFileSync('/run/secrets/mongodb_password', 'utf8').trim(),
  // clusterMonitor: $indexStats, serverStatus and the profiler's collection.
  roles: [
    { role: 'readWrite', db: db.getName() },
    { role: 'dbAdmin', db: db.getName() },
    { role: 'clusterMonitor', db: 'admin' },
  ],
})

db.users.createIndex({ email: 1 }, { unique: true })
db.orders.createIndex({ userId: 1, createdAt: -1 })
db.products.createIndex({ category: 1, price: 1 })
// Equality first, then the order of the result: open orders of a user, newest first, without a sort.
db.orders.createIndex({ status: 1, userId: 1, createdAt: -1 })

const start = Date.UTC(2026, 0, 1)
const minute = 60_000
const rows = (count, make) => Array.from({ length: count }, (_, i) => make(i + 1))
const categories = ['books', 'games', 'garden', 'music', 'tools']
const statuses = ['pending', 'paid', 'shipped', 'delivered', 'cancelled']

db.users.insertMany(
  rows(1000, (i) => ({
    _id: i,
    name: `User ${i}`,
    email: `user${i}@example.com`,
    createdAt: new Date(start + i * minute),
  })),
)
db.products.insertMany(
  rows(200, (i) => ({
    _id: i,
    name: `Product ${i}`,
    category: categories[i % 5],
    price: 500 + ((i * 7919) % 20_000),
  })),
)
db.orders.insertMany(
  rows(20_000, (i) => ({
    _id: i,
    userId: 1 + ((i * 7919) % 1000),
    productId: 1 + ((i * 104_729) % 200),
    status: statuses[i % 5],
    quantity: 1 + (i % 4),
    totalCents: 1000 + ((i * 6007) % 50_000),
    createdAt: new Date(start + i * minute),
  })),
  { ordered: false },
)
print(`${db.getName()}: ${db.users.countDocuments()} users, ${db.orders.countDocuments()} orders`)
