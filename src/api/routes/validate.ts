import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import type { Spec } from '#model/spec/spec.ts'
import { wantedReplicas } from '#model/workload.ts'
import { readDocuments } from '#api/documents.ts'
import { dryRunQuery } from '#api/dry-run.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, jsonBody, type Api } from '#api/openapi.ts'
import { SpecRequest, ValidateView } from '#api/views.ts'

const validate = createRoute({
  method: 'post',
  path: '/v1/validate',
  tags: ['plans'],
  summary: 'Read a spec file and say what is in it, or what is wrong with it.',
  request: { query: z.object(dryRunQuery), body: jsonBody(SpecRequest) },
  responses: answers(200, ValidateView, 'What the file holds.'),
})

export function validateRoutes(app: Api, { clock }: ApiHouse): void {
  app.openapi(validate, (c) => {
    const { documents } = readDocuments(c.req.valid('json'), clock.now())
    return c.json({ documents: documents.map(({ spec }) => summaryOf(spec)), warnings: [] }, 200)
  })
}

const summaryOf = (spec: Spec): ValidateView['documents'][number] => ({
  kind: spec.kind,
  name: spec.name,
  project: spec.project,
  workdir: spec.workdir ?? null,
  nodes: spec.nodes,
  replicas: wantedReplicas(spec),
  tasks: spec.kind === 'array' ? spec.tasks : null,
})
