import { dirname } from 'node:path'

import { trainFolder } from '#cli/demo/specs.ts'

/** Steps of the training run, and tasks of the array. */
export const steps = 1000
export const tasks = 400

/** Pods have the Node of their image, all others that of this program. */
const withNode = `PATH=${dirname(process.execPath)}:$PATH exec node`

/** A gang that trains, with what else is said of it. */
export const gangText = (name: string, more = ''): string => `
kind: job
name: ${name}
nodes: 2
resources: { cpus: 0.5, memory: 256MB }
workdir: ${JSON.stringify(trainFolder)}
run: ${withNode} train.ts
env: { STEPS: ${steps}, SAVE_EVERY: 20 }
checkpoint: { grace: 5s }
${more}`

/** A replica answers with the number of its attempt. */
export const serviceText = `
kind: service
name: web
ports: [8080]
resources: { cpus: 0.1, memory: 128MB }
readiness: { path: /, period: 1s }
checkpoint: { grace: 1s }
run: |
  ${withNode} -e 'require("http").createServer((request, response) => response.end(process.env.ISOBAR_ATTEMPT)).listen(process.env.PORT)'
`

/** Each task leaves a mark where all sites see it. */
export const arrayText = `
kind: array
name: rollouts
tasks: ${tasks}
parallelism: 4
resources: { cpus: 0.1, memory: 32MB }
checkpoint: { grace: 1s }
run: |
  sleep 0.4
  echo "$ISOBAR_ATTEMPT" > "$ISOBAR_CHECKPOINT_DIR/$ISOBAR_TASK_INDEX"
`
