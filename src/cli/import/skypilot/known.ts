import type { Advice, Known } from '#cli/import/book.ts'

const same = (names: readonly string[], message: string, fix: string): Record<string, Advice> =>
  Object.fromEntries(names.map((name) => [name, { message, fix }]))

/** What no spec says, by the names of SkyPilot's fields. */
export const known: Known = {
  harmless: [],
  advice: {
    ...same(
      ['file_mounts', 'volumes', 'volume_mounts'],
      'a spec mounts nothing',
      'take code along with workdir, fetch data in setup, save to $ISOBAR_CHECKPOINT_DIR; data: names what it reads',
    ),
    ...same(['workdir'], 'workdir is a folder here', 'clone the repository in setup'),
    ...same(
      ['any_of', 'ordered'],
      'alternatives are of accelerators only',
      'write resources: { accelerators: [H200:8, H100:8] }, and placement for where it may run',
    ),
    ...same(
      ['infra', 'cloud', 'region', 'zone', 'instance_type'],
      'a spec says what it needs; where that is to be had has names of your own',
      'write placement: { providers: [aws] }, or { sites: [aws/NAME] }',
    ),
    ...same(['image_id'], 'only images of containers can be named', 'write image: …'),
    ...same(
      ['autostop', 'autodown'],
      'what has ended holds nothing',
      'write duration: { maximum: 2h } for an end whatever happens',
    ),
    ...same(
      ['job_recovery', 'spot_recovery'],
      'after a loss of its nodes it is always started again, wherever that is cheapest',
      'write retry: { onExit: [75], times: 3 } for exit codes that are worth another try',
    ),
    ...same(
      ['replica_policy', 'load_balancing_policy', 'load_balancer', 'tls', 'pool'],
      'a service has as many replicas as it says, and the gateway in front of them',
      'write replicas: N; isobar gateway',
    ),
    ...same(
      ['readiness_probe'],
      'a service is ready when it answers a GET',
      'write readiness: { path: /health, period: 5s }',
    ),
    ...same(
      ['inputs', 'outputs'],
      'what is read is named with its place and size',
      'write data: [{ name: x, location: s3://…, size: 1TB }]',
    ),
    ...same(
      ['disk_tier', 'local_disk', 'ephemeral_storage'],
      'a spec has no word for it',
      'write placement: { nodeLabels: … } where nodes have a label',
    ),
    ...same(
      ['config', 'experimental', 'event_callback'],
      'it sets up SkyPilot itself',
      'see how sites are declared: docs/how-to/several-sites.md',
    ),
    ...same(
      ['execution', 'primary_tasks', 'termination_delay'],
      'each document becomes a workload of its own',
      'isobar wait NAME --exit-code=remote between them, or roles of one job',
    ),
    ...same(['ports'], 'jobs serve nothing', 'write kind: service, with ports'),
  },
}
