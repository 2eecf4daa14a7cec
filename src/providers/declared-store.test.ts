import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CoreweaveConfig } from './coreweave/config.ts'
import { createCoreweave } from './coreweave/coreweave.ts'
import { storeOf } from './declared-store.ts'
import { KubernetesConfig } from './kubernetes/config.ts'
import { LocalConfig } from './local/config.ts'
import { SlurmConfig } from './slurm/config.ts'

test('a bucket of Amazon is found by its region, with the bucket in the host', () => {
  assert.deepEqual(storeOf({ checkpoints: 's3://models/teams/vision/', checkpointsRegion: 'eu-north-1' }).checkpoints, {
    bucket: 'models',
    prefix: 'teams/vision/',
    endpoint: 'https://s3.eu-north-1.amazonaws.com',
    region: 'eu-north-1',
    addressing: 'virtual',
  })
  assert.equal(storeOf({ checkpoints: 's3://models' }).checkpoints?.prefix, '')
  assert.deepEqual(storeOf({ checkpoints: 'a-claim' }), {})
})

const addressing = (checkpoints: string, checkpointsEndpoint: string) =>
  storeOf({ checkpoints, checkpointsEndpoint }).checkpoints?.addressing

test('the bucket is in the path where no host can be below the endpoint, and where one says so', () => {
  assert.equal(addressing('s3://b-1', 'http://10.0.0.1:9000'), 'path')
  assert.equal(addressing('s3://b-1', 'http://[::1]:9000'), 'path')
  assert.equal(addressing('s3://with.dots', 'https://s3.example.test'), 'path')
  assert.equal(addressing('s3://b-1', 'https://s3.example.test'), 'virtual')
})

test('at CoreWeave the store is its own, by the cache on its nodes, unless another is named', async () => {
  const sites = CoreweaveConfig.parse({
    sites: [
      { name: 'east', checkpoints: 's3://models', checkpointsRegion: 'US-EAST-04A' },
      { name: 'west', checkpoints: 's3://models', checkpointsEndpoint: 'https://s3.example.test' },
      { name: 'north', checkpoints: 'a-claim' },
    ],
  }).sites
  const coreweave = createCoreweave({ sites, house: 'h' })
  assert.deepEqual(
    coreweave.sites().map(({ checkpoints }) => checkpoints?.endpoint),
    ['http://cwlota.com', 'https://s3.example.test', undefined],
  )
  assert.equal(coreweave.sites()[0]?.checkpoints?.addressing, 'virtual')
  await coreweave.close()
})

const wrong = (config: typeof LocalConfig | typeof KubernetesConfig | typeof SlurmConfig, site: object): string =>
  config
    .safeParse({ sites: [{ name: 'one', ...site }] })
    .error?.issues.map(({ message }) => message)
    .join('; ') ?? ''

test('what cannot be is told: no bucket, no place, no keys, details of nothing', () => {
  const slurm = { partition: 'p', directory: '/shared' }
  assert.match(wrong(LocalConfig, { checkpoints: 's3://Upper' }), /address of a bucket/)
  assert.match(wrong(LocalConfig, { checkpoints: 's3://b-1/../x y' }), /address of a bucket/)
  assert.match(wrong(LocalConfig, { checkpoints: 's3://b-1', checkpointsSecret: 'S' }), /say where that bucket is/)
  assert.match(wrong(LocalConfig, { checkpoints: 's3://b-1', checkpointsRegion: 'r' }), /name the secret/)
  assert.match(wrong(SlurmConfig, { ...slurm, checkpoints: 's3://b-1', checkpointsRegion: 'r' }), /name the secret/)
  assert.match(wrong(LocalConfig, { checkpointsRegion: 'r' }), /none is named/)
  assert.match(wrong(KubernetesConfig, { checkpoints: 'a-claim', checkpointsRegion: 'r' }), /none is named/)
  assert.match(
    wrong(KubernetesConfig, { checkpoints: 'No Claim' }),
    /PersistentVolumeClaim, or the address of a bucket/,
  )
  assert.equal(wrong(KubernetesConfig, { checkpoints: 's3://b-1', checkpointsRegion: 'r' }), '')
  assert.equal(wrong(KubernetesConfig, { checkpoints: 'a-claim' }), '')
})
