const schema = new URL('../../schemas/spec.schema.json', import.meta.url).href

export type Kind = 'job' | 'service' | 'array'
export const isKind = (text: string): text is Kind => text === 'job' || text === 'service' || text === 'array'

const own: Record<Kind, { about: string; fields: string; run: string }> = {
  job: {
    about: 'A job: a gang of nodes that starts together and ends.',
    fields: 'nodes: 1',
    run: 'echo "rank $ISOBAR_RANK of $ISOBAR_NODES, attempt $ISOBAR_ATTEMPT"',
  },
  service: {
    about: 'A service: replicas behind a port, started again when they end.',
    fields: `replicas: 2
ports: [8080]
readiness:
  path: /                 # answers 2xx when it can serve; without a path a connection is enough`,
    run: 'exec python3 -m http.server "$PORT"   # its own port: replicas may share a machine',
  },
  array: {
    about: 'An array: many tasks, numbered from 0 in ISOBAR_TASK_INDEX.',
    fields: `tasks: 100
parallelism: 8            # tasks at the same time`,
    run: 'echo "task $ISOBAR_TASK_INDEX"',
  },
}

/** A spec to fill in: what most need stands there, the rest as comments. */
export function template(kind: Kind, name: string): string {
  const { about, fields, run } = own[kind]
  return `# yaml-language-server: $schema=${schema}
# ${about}
kind: ${kind}
name: ${name}
${fields}
resources:                # of one node
  cpus: 1                 # 8+ is at least eight
  memory: 512MB
  # accelerators: H200:8  # or by memory, 80GB+:8; a list is tried in its order
# workdir: .              # this folder is taken along, without what .gitignore names
# setup: pip install -r requirements.txt
run: |
  ${run}
# env:
#   LEARNING_RATE: 0.001
# secrets: [HF_TOKEN]     # isobar secret set HF_TOKEN --file token.txt
# placement:
#   jurisdictions: [EU]
#   tiers: [spot, on-demand]
#   maxPrice: $20/h       # for one node
# budget:
#   limit: $100
#   whenUsed: stop
# duration:
#   expected: 2h          # tells what it will cost
#   maximum: 6h
`
}
