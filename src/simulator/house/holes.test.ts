import assert from 'node:assert/strict'
import { test } from 'node:test'

import { holesText } from './holes.ts'

test('a meeting that could have been and was not is told as a hole; one that was, or cannot be, is none', () => {
  const text = holesText({ met: { 'kill-before prune -': 3, 'throttled provider.get held': 1 } })
  const holes = (fault: string) => text.split('\n').find((line) => line.startsWith(`never met: ${fault} with `)) ?? ''
  assert.match(holes('kill-after'), / prune,/)
  assert.doesNotMatch(holes('kill-before'), / prune\b/)
  assert.doesNotMatch(holes('throttled'), /provider\.get/)
  // A read cannot lose what it wrote, and no story makes a control plane ask for this.
  assert.doesNotMatch(holes('database-full'), /workloads\.get\b/)
  assert.doesNotMatch(holes('kill-before'), /figures/)
  assert.match(text, /\n2 of \d{3} meetings of a fault and an operation happened\n/)
})
