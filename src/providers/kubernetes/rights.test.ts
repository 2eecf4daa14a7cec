import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { parse, parseAllDocuments } from 'yaml'

import { clusterRights, groupRights, manifestOf, namespaceRights, queueRights } from './rights.ts'

test('no right is asked for that could read secrets or change what is not in the namespace', () => {
  const all = [...namespaceRights, ...clusterRights, ...queueRights, ...groupRights].flatMap(({ resources, verbs }) =>
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

const rulesOf = (manifest: object[]) => manifest.flatMap((one) => ('rules' in one ? one.rules : []))

for (const [name, rights] of [
  ['As a guest of Kueue', queueRights],
  ['Gangs of the scheduler', groupRights],
] as const)
  test(`the rights of "${name}" are asked for only where they are used, and stand in the documentation`, () => {
    const text = readFileSync(new URL('../../../docs/how-to/kubernetes.md', import.meta.url), 'utf8')
    const [, shown = ''] = new RegExp(`## ${name}\n.*?\`\`\`yaml kubernetes\n(.*?)\`\`\``, 's').exec(text) ?? []
    assert.deepEqual(parse(shown), rights)
    const account = { name: 'isobar', namespace: 'isobar' }
    const more = rulesOf(manifestOf({ ...account, queue: rights === queueRights, groups: rights === groupRights }))
    assert.equal(more.length, rulesOf(manifestOf(account)).length + rights.length)
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
