import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { parseAllDocuments } from 'yaml'

import { clusterRights, manifestOf, namespaceRights } from './rights.ts'

test('no right is asked for that could read secrets or change what is not in the namespace', () => {
  const all = [...namespaceRights, ...clusterRights].flatMap(({ resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
  )
  assert.ok(!all.some((right) => right.includes('*')))
  for (const verb of ['get', 'list', 'watch']) assert.ok(!all.includes(`${verb} secrets`))
  assert.deepEqual([...new Set(clusterRights.flatMap(({ verbs }) => verbs))], ['list', 'watch'])
})

test('a manifest binds the rights to one account', () => {
  const kinds = manifestOf({ name: 'isobar', namespace: 'team' }).map((one) => 'kind' in one && one.kind)
  assert.deepEqual(kinds, ['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'])
})

test('the manifest that the documentation shows is the one that is needed', () => {
  const text = readFileSync(new URL('../../../docs/how-to/kubernetes.md', import.meta.url), 'utf8')
  const [, shown = ''] = /kubectl apply.*?```yaml kubernetes\n(.*?) {3}```/s.exec(text) ?? []
  const documents = parseAllDocuments(shown.replaceAll(/^ {3}/gm, ''))
  assert.ok(Array.isArray(documents))
  assert.deepEqual(
    documents.map((document): unknown => document.toJS()),
    manifestOf({ name: 'isobar', namespace: 'isobar' }),
  )
})
