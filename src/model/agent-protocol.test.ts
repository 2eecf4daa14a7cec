import assert from 'node:assert/strict'
import { test } from 'node:test'

import { z } from 'zod'

import { AgentAnswer, Go } from './agent-protocol.ts'
import { ReadinessField } from './spec/fields.ts'

const go: Go = {
  peers: ['127.0.0.2'],
  environment: {},
  setup: null,
  run: 'serve',
  bundle: null,
  checkpointRoot: null,
  ports: [8000],
  readiness: ReadinessField.parse({ path: '/healthz', period: '2s' }),
  slots: 0,
}

test('a go reads back as it was sent, with the readiness that its spec asked for', () => {
  assert.deepEqual(Go.parse(JSON.parse(JSON.stringify(go))), go)
})

test('what agents are answered has a schema of what is really sent', () => {
  const schema = JSON.stringify(z.toJSONSchema(AgentAnswer, { io: 'output' }))
  for (const field of ['periodMs', 'timeoutMs', 'failures']) assert.ok(schema.includes(field), field)
})
