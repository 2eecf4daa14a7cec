import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { Tenants } from './tenants.ts'

test('who is on a node are those who came and did not leave, the last taking the place of who leaves', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ node: fc.nat(1), tenant: fc.nat(5), comes: fc.boolean() })), (moves) => {
      const tenants = new Tenants(2)
      const lists: number[][] = [[], []]
      for (const { node, tenant, comes } of moves) {
        const list = lists[node] ?? []
        const at = list.indexOf(tenant)
        if (!comes) assert.equal(tenants.remove(node, tenant), at >= 0)
        else if (at < 0) tenants.add(node, tenant)
        if (comes && at < 0) list.push(tenant)
        if (!comes && at >= 0) {
          list[at] = list.at(-1) ?? -1
          list.pop()
        }
        assert.equal(tenants.last(node), list.at(-1) ?? -1)
      }
    }),
  )
})
