import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseAllDocuments } from 'yaml'

import { isNothing, manifestOfMissing, subjectOf } from './access.ts'

const jobs = { apiGroups: ['batch'], resources: ['jobs'], verbs: ['patch'] }
const nodes = { apiGroups: [''], resources: ['nodes'], verbs: ['list'] }
const asked = { account: 'ada', namespace: 'team', isNamespaceMissing: false }

const objects = (text: string | null) =>
  parseAllDocuments(text ?? '').map(
    (one) => one.toJS() as { kind: string; metadata: { name: string }; rules?: object[] },
  )

test('a manifest holds what is missing and no more, under names that replace nothing of an earlier time', () => {
  const some = objects(manifestOfMissing({ ...asked, missing: { namespace: [jobs], cluster: [] } }))
  assert.deepEqual(
    some.map(({ kind }) => kind),
    ['Role', 'RoleBinding'],
  )
  assert.deepEqual(some[0]?.rules, [jobs])
  const all = objects(
    manifestOfMissing({ ...asked, isNamespaceMissing: true, missing: { namespace: [jobs], cluster: [nodes] } }),
  )
  assert.deepEqual(
    all.map(({ kind }) => kind),
    ['Namespace', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'],
  )
  const other = objects(manifestOfMissing({ ...asked, missing: { namespace: [nodes], cluster: [] } }))
  assert.notEqual(some[0]?.metadata.name, other[0]?.metadata.name)
  const nothing = { namespace: [], cluster: [] }
  assert.ok(isNothing(nothing))
  assert.equal(manifestOfMissing({ ...asked, missing: nothing }), null)
})

test('an account of pods is named as such, and whoever else as a user', () => {
  assert.deepEqual(subjectOf('system:serviceaccount:team:isobar'), {
    kind: 'ServiceAccount',
    name: 'isobar',
    namespace: 'team',
  })
  const user = { kind: 'User', name: 'arn:aws:iam::1:user/ada', apiGroup: 'rbac.authorization.k8s.io' }
  assert.deepEqual(subjectOf('arn:aws:iam::1:user/ada'), user)
})
