import assert from 'node:assert/strict'
import { test } from 'node:test'

import { listsOfOthers } from './names.ts'

const pods = { group: '/api/v1', kind: 'pods', fields: ['spec.nodeName!='] }
const listed = (...of: Parameters<typeof listsOfOthers>) =>
  listsOfOthers(...of).map((path) => {
    const [where, query] = path.split('?')
    return [where, Object.fromEntries(new URLSearchParams(query))]
  })

test('others have all that is in other namespaces, our own house among them, and what is not ours in ours', () => {
  assert.deepEqual(listed(pods, { house: 'h', namespace: 'research' }), [
    ['/api/v1/pods', { fieldSelector: 'metadata.namespace!=research,spec.nodeName!=' }],
    ['/api/v1/namespaces/research/pods', { fieldSelector: 'spec.nodeName!=', labelSelector: 'isobar.dev/house!=h' }],
  ])
  assert.deepEqual(listed({ group: '/apis/x/v1', kind: 'claims' }, { house: 'h', namespace: 'n' }), [
    ['/apis/x/v1/claims', { fieldSelector: 'metadata.namespace!=n' }],
    ['/apis/x/v1/namespaces/n/claims', { labelSelector: 'isobar.dev/house!=h' }],
  ])
})

test('where we have no site yet all belongs to others', () => {
  assert.deepEqual(listed(pods, null), [['/api/v1/pods', { fieldSelector: 'spec.nodeName!=' }]])
})
