import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { parse, parseAllDocuments } from 'yaml'

import {
  claimRights,
  clusterRights,
  deviceRights,
  domainRights,
  forwardRights,
  groupRights,
  identityRights,
  manifestOf,
  namespaceRights,
  podGroupRights,
  queueRights,
} from './rights.ts'

test('no right is asked for that could read secrets or change what is not in the namespace', () => {
  const more = [
    ...identityRights,
    ...queueRights,
    ...podGroupRights,
    ...groupRights,
    ...deviceRights,
    ...claimRights,
    ...domainRights,
  ]
  const all = [...namespaceRights, ...clusterRights, ...more].flatMap(({ resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
  )
  assert.ok(!all.some((right) => right.includes('*')))
  for (const verb of ['get', 'list', 'watch']) assert.ok(!all.includes(`${verb} secrets`))
  const across = [...clusterRights, ...deviceRights]
  assert.deepEqual([...new Set(across.flatMap(({ verbs }) => verbs))], ['list', 'watch'])
})

test('a manifest binds the rights to one account', () => {
  const kinds = manifestOf({ name: 'isobar', namespace: 'team' }).map((one) => 'kind' in one && one.kind)
  assert.deepEqual(kinds, ['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'])
})

const rulesOf = (manifest: object[]) => manifest.flatMap((one) => ('rules' in one ? one.rules : []))

for (const [name, rights, has] of [
  ['As a guest of Kueue', [queueRights, podGroupRights], { queue: true }],
  ['Gangs of the scheduler', [groupRights], { groups: true }],
  ['Accelerators that are claimed', [claimRights, deviceRights], { devices: true }],
  ['Networks between nodes', [domainRights], { domains: true }],
  ['Services and arrays', [forwardRights], { forwards: true }],
] as const)
  test(`the rights of "${name}" are asked for only where they are used, and stand in the documentation`, () => {
    const text = readFileSync(new URL('../../../docs/how-to/kubernetes.md', import.meta.url), 'utf8')
    const [, section = ''] = new RegExp(`## ${name}\n(.*?)(?=\n## |$)`, 's').exec(text) ?? []
    const shown = [...section.matchAll(/```yaml kubernetes\n(.*?)```/gs)].map(([, yaml = '']): unknown => parse(yaml))
    assert.deepEqual(shown, rights)
    const account = { name: 'isobar', namespace: 'isobar' }
    const more = rulesOf(manifestOf({ ...account, ...has }))
    assert.equal(more.length, rulesOf(manifestOf(account)).length + shown.flat().length)
  })

test('the manifest that the documentation shows is the one that is needed', () => {
  const text = readFileSync(new URL('../../../docs/how-to/kubernetes.md', import.meta.url), 'utf8')
  const [, shown = ''] = /kubectl apply.*?```yaml kubernetes\n( {3}apiVersion.*?) {3}```/s.exec(text) ?? []
  const documents = parseAllDocuments(shown.replaceAll(/^ {3}/gm, ''))
  assert.ok(Array.isArray(documents))
  assert.deepEqual(
    documents.map((document): unknown => document.toJS()),
    manifestOf({ name: 'isobar', namespace: 'isobar' }),
  )
})
