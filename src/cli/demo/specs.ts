import { fileURLToPath } from 'node:url'

/** Where the program that trains is. */
export const trainFolder = fileURLToPath(new URL('../../../examples/train/', import.meta.url))

/** Steps of the training run. */
export const trainSteps = 400

/** What the demo runs, as one would write it. `marks` is where each task of the array leaves one file. */
export const specText = (marks: string): string => `
kind: job
name: train
nodes: 4
resources: { cpus: 0.5, memory: 256MB }
workdir: ${JSON.stringify(trainFolder)}
run: node train.ts
env: { STEPS: ${trainSteps}, SAVE_EVERY: 25 }
duration: { expected: 1m }
checkpoint: { grace: 5s }
---
kind: service
name: web
priority: 10
replicas: 3
ports: [8080]
resources: { cpus: 0.5, memory: 256MB }
placement: { spread: site }
readiness: { path: /, period: 200ms }
run: |
  exec node -e 'require("http").createServer((request, response) => response.end("hello\\n")).listen(process.env.PORT)'
---
kind: array
name: rollouts
tasks: 500
parallelism: 24
resources: { cpus: 0.1, memory: 32MB }
env: { MARKS: ${JSON.stringify(marks)} }
run: |
  sleep 0.7
  echo "$ISOBAR_ATTEMPT" > "$MARKS/.$ISOBAR_TASK_INDEX.$ISOBAR_ATTEMPT" && mv "$MARKS/.$ISOBAR_TASK_INDEX.$ISOBAR_ATTEMPT" "$MARKS/$ISOBAR_TASK_INDEX"
`
