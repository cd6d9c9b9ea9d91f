import t from 'tap'
import { balancedOrders, orderOf } from './order.ts'

t.test('in a cycle each side has each place, and follows each other side, equally often', async (t) => {
  for (const sides of [2, 3, 4, 5]) {
    const orders = balancedOrders(sides)
    const places = new Map<string, number>()
    const followers = new Map<string, number>()
    const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
    for (const order of orders) {
      t.equal(new Set(order).size, sides, 'each turn loads each side once')
      order.forEach((side, place) => {
        count(places, `${side} at ${place}`)
        if (place > 0) count(followers, `${side} after ${order[place - 1]}`)
      })
    }
    t.equal(places.size, sides * sides)
    t.equal(new Set(places.values()).size, 1, `${sides} sides: places`)
    t.equal(followers.size, sides * (sides - 1))
    t.equal(new Set(followers.values()).size, 1, `${sides} sides: followers`)
  }
})

t.test('a turn is followed by its reverse, which cancels a steady drift of the machine', async (t) => {
  for (const sides of [2, 3, 4]) {
    const sums = new Array<number>(sides).fill(0)
    for (let turn = 0; turn < 2; turn++)
      orderOf(sides, turn).forEach((side, place) => {
        sums[side] = (sums[side] ?? 0) + turn * sides + place
      })
    t.equal(new Set(sums).size, 1, `${sides} sides: ${sums}`)
  }
  t.same(
    [0, 1, 2, 3].map((turn) => orderOf(2, turn)),
    [
      [0, 1],
      [1, 0],
      [0, 1],
      [1, 0],
    ],
  )
  t.same(orderOf(1, 7), [0])
})
