import type { Draft, DraftResources } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { word } from '#cli/import/shell.ts'

import type { Around } from './around.ts'
import { commandOf } from './command.ts'
import { environmentOf } from './environment.ts'
import { tellHosts } from './hosts.ts'
import { nodesOf } from './nodes.ts'
import { resourcesOf, type Asked } from './resources.ts'
import { sharedMemoryOf } from './shared-memory.ts'
import { topologyOf } from './topology-request.ts'

/** What one pod of an object says, in the terms of a spec. */
export type Pod = Pick<Draft, 'image' | 'setup' | 'placement' | 'topology' | 'labels'> & {
  run: string
  env: Record<string, string>
  secrets: string[]
  resources: DraftResources
  graceSeconds: number | undefined
  ports: number[]
  readiness: Draft['readiness']
}

/** Reads the template of a pod. */
export function readPod(template: Field, around: Around): Pod {
  const spec = template.at('spec')
  const container = mainContainer(spec, template, around)
  const image = container.at('image').text('image')
  const environment = environmentOf(container, around)
  const asked = resourcesOf(container)
  const { placement, models } = nodesOf(spec, asked.accelerators > 0)
  const setup = setupOf(spec, container, environment.variables)
  const restart = spec.at('restartPolicy')
  if (restart.value === (around.isService ? 'Always' : 'Never')) restart.carry('retry')
  const topology = topologyOf(template)
  return {
    ...(image !== undefined && { image }),
    ...(setup && { setup }),
    placement,
    ...(topology && { topology }),
    labels: labelsOf(template),
    run: runOf(container, around, environment),
    env: environment.env,
    secrets: environment.secrets,
    resources: { ...acceleratorsOf(asked, models), ...asked.amounts, ...sharedMemoryOf(spec, container) },
    graceSeconds: spec.at('terminationGracePeriodSeconds').count('checkpoint.grace', 86_400),
    ...servingOf(container, around),
  }
}

/** A node of Isobar runs one program: that of the container that counts, or of the first. */
function mainContainer(spec: Field, template: Field, { container: named }: Around): Field {
  const containers = spec.at('containers')
  const all = containers.items()
  const annotation = template.at('metadata', 'annotations', 'kubectl.kubernetes.io/default-container')
  const wanted = annotation.value ?? named
  const main = all.find((one) => one.at('name').value === wanted) ?? all[0]
  if (annotation.isThere) annotation.carry('run')
  for (const other of all)
    if (other !== main)
      other.leave({
        message: 'a node runs one program, and this is a second container',
        fix: 'start it in run, in the background (`command &`), from the same image',
      })
  if (main) main.at('name').skip()
  else
    containers.refuse({
      message: 'there is no container that would do anything',
      fix: 'write containers, one at least',
    })
  return main ?? containers.at('none')
}

function runOf(container: Field, around: Around, { exports, variables }: ReturnType<typeof environmentOf>): string {
  const command = around.instead ?? commandOf(container, variables, { entrypoint: around.entrypoint, to: 'run' })
  if (command === undefined && container.isThere)
    container.refuse({
      message: `what the image ${String(container.at('image').value ?? '')} starts is not written here, and a spec says it`,
      fix: 'isobar import FILE --entrypoint "python3 serve.py", or write the command of the container',
    })
  for (const field of [container.at('command'), container.at('args')]) tellHosts(field, around.object)
  for (const variable of container.at('env').items()) tellHosts(variable.at('value'), around.object)
  const folder = container.at('workingDir').text('run')
  return [
    ...around.injected.map(([name, value]) => `export ${name}="${value}"`),
    ...exports,
    ...(folder === undefined ? [] : [`cd ${word(folder)} || exit`]),
    command ?? 'true',
  ].join('\n')
}

/** What runs before in the same image is its setup. */
function setupOf(
  spec: Field,
  container: Field,
  variables: ReturnType<typeof environmentOf>['variables'],
): string | undefined {
  const commands = spec
    .at('initContainers')
    .items()
    .flatMap((first) => {
      const isSame = first.at('image').value === container.at('image').value && !first.at('restartPolicy').isThere
      const command = isSame && first.at('command').isThere ? commandOf(first, variables, { to: 'setup' }) : undefined
      if (command === undefined) {
        first.leave({
          message: 'what runs before in another image, or beside, has no place in a spec',
          fix: 'do it in setup, which runs once on each node in the same image',
        })
        return []
      }
      first.at('image').carry('image')
      first.at('name').skip()
      return command.startsWith('exec ') ? `(\n${command}\n)` : command
    })
  return commands.length > 0 ? commands.join('\n') : undefined
}

/** Any accelerator has so much memory. */
const anyMemory = '1GB+'

function acceleratorsOf(
  { accelerators, from, profile }: Asked,
  models: string[],
): Pick<DraftResources, 'accelerators'> {
  if (accelerators === 0) return {}
  const part = profile === undefined ? '' : `/${profile}`
  if (models.length === 0 || (profile !== undefined && accelerators > 1)) {
    from?.change('resources.accelerators', {
      message: `the file does not say of which model; ${anyMemory}:${accelerators} takes ${accelerators} of any`,
      fix: `write resources: { accelerators: H100${part}:${accelerators} }, with the model that you mean`,
    })
    return { accelerators: `${anyMemory}:${accelerators}` }
  }
  const [first = '', ...others] = models.slice(0, 16).map((model) => `${model}${part}:${accelerators}`)
  return { accelerators: others.length === 0 ? first : { any: [first, ...others] } }
}

const longest = { name: 63, value: 200 }

/** Labels that a spec can keep. */
export function labelsOf(object: Field): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [name, field] of object.at('metadata', 'labels').entries()) {
    if (typeof field.value !== 'string' || name.length > longest.name || field.value.length > longest.value)
      field.leave({
        message: `labels have names of ${longest.name} characters and values of ${longest.value} at the most`,
        fix: 'write a shorter one below labels',
      })
    else {
      labels[name] = field.value
      field.carry('labels')
    }
  }
  return labels
}

const probeFields = [
  ['periodSeconds', 'period'],
  ['timeoutSeconds', 'timeout'],
] as const

/** The ports of a service, the one that is probed first, and how that tells that it can serve. */
function servingOf(container: Field, { isService }: Around): Pick<Pod, 'ports' | 'readiness'> {
  if (!isService) return { ports: [], readiness: undefined }
  const named = new Map<string, number>()
  const ports = container
    .at('ports')
    .items()
    .slice(0, mostPorts - 1)
    .flatMap((port) => {
      const isUdp = !['TCP', undefined].includes(port.at('protocol').value as string) // compared with two known values
      if (isUdp) port.leave({ message: 'services of Isobar serve TCP', fix: 'serve it by TCP' })
      const number = isUdp ? undefined : port.at('containerPort').count('ports', 65_535)
      port.at('protocol').skip()
      const name = port.at('name')
      if (typeof name.value === 'string' && number !== undefined) named.set(name.value, number)
      name.skip()
      return number !== undefined && number > 0 ? [number] : []
    })
  const probe = container.at('readinessProbe')
  const kind = probe.at('httpGet').isThere ? 'httpGet' : 'tcpSocket'
  const at = probe.at(kind, 'port')
  const probed = typeof at.value === 'number' ? at.value : named.get(String(at.value))
  if (!at.isThere || probed === undefined || probed < 1 || probed > 65_535)
    return { ports: unique(ports), readiness: undefined }
  at.carry('ports')
  if (probe.at(kind, 'scheme').value === 'HTTP') probe.at(kind, 'scheme').skip()
  const path = probe.at(kind, 'path').text('readiness.path')
  const failures = probe.at('failureThreshold').count('readiness.failures', 100)
  const readiness = {
    ...(path !== undefined && { path: path.startsWith('/') ? path : `/${path}` }),
    ...Object.fromEntries(
      probeFields.flatMap(([from, to]) => {
        const seconds = probe.at(from).count(`readiness.${to}`, 86_400)
        return seconds === undefined || seconds === 0 ? [] : [[to, `${seconds}s`]]
      }),
    ),
    ...(failures !== undefined && failures > 0 && { failures }),
  }
  return { ports: unique([probed, ...ports]), readiness }
}

const mostPorts = 16
const unique = (ports: readonly number[]): number[] => [...new Set(ports)]
