import { word } from '#cli/import/shell.ts'
import type { Field } from '#cli/import/field.ts'
import { EnvironmentName } from '#model/names.ts'

import { filledIn, partsOf, type Variables } from './command.ts'
import type { Around } from './around.ts'

export type Environment = {
  env: Record<string, string>
  secrets: string[]
  /** Variables whose values are known where it runs only, as lines of a shell. */
  exports: string[]
  variables: Variables
}
/** What is known while it is read. */
type Reading = Environment & { variables: Map<string, string | undefined>; around: Around }

const longestValue = 32_768
const mostSecrets = 100
const tooMany = {
  message: `a spec names ${mostSecrets} secrets at the most`,
  fix: 'put several values into one secret',
}

/** The variables of a container. */
export function environmentOf(container: Field, around: Around): Environment {
  const variables = new Map<string, string | undefined>(
    [...around.injected.map(([name]) => name), ...(around.known ?? [])].map((name) => [name, undefined]),
  )
  const found: Reading = { env: {}, secrets: [], exports: [], variables, around }
  for (const source of container.at('envFrom').items()) readSource(source, found)
  for (const item of container.at('env').items()) readVariable(item, found)
  return found
}

function readVariable(item: Field, found: Reading): void {
  const { around, variables } = found
  const name = item.at('name').text('env')
  if (name === undefined) return
  const complaint = complaintOf(name, around)
  if (complaint) return item.leave(complaint)
  const value = item.at('value')
  const from = item.at('valueFrom')
  if (from.isThere) return readReference(name, item, found)
  if (name === 'MASTER_ADDR' && around.isGang && typeof value.value === 'string' && !isLoopback(value.value)) {
    variables.set(name, undefined)
    return item.change('run', {
      message: 'Isobar sets MASTER_ADDR to the address of rank 0, and no other name of it is known',
      fix: 'nothing to do, unless it is not rank 0 that is meant',
    })
  }
  const text = value.text('env') ?? ''
  setVariable({ name, text, item }, found)
}

const isLoopback = (address: string): boolean => /^(localhost|127\.|::1$)/.test(address)

function setVariable({ name, text, item }: { name: string; text: string; item: Field }, found: Reading): void {
  const { variables } = found
  const parts = partsOf(text, variables)
  const isOpen = parts.some((part) => 'variable' in part && variables.get(part.variable) === undefined)
  const filled = filledIn(text, variables)
  if (filled.length > longestValue)
    return void item.leave({
      message: `the value has ${filled.length} characters, the most is ${longestValue}`,
      fix: 'keep it in a file of the workdir',
    })
  variables.set(name, isOpen ? undefined : filled)
  found.secrets = found.secrets.filter((secret) => secret !== name)
  delete found.env[name]
  if (isOpen) found.exports.push(`export ${name}="${filled.replaceAll(/["\\`]/g, String.raw`\$&`)}"`)
  else found.env[name] = filled
}

function complaintOf(name: string, { isService }: Around): { message: string; fix: string } | undefined {
  if (!EnvironmentName.safeParse(name).success)
    return { message: `${name} is not a name that every shell takes`, fix: 'choose letters, digits and underscores' }
  if (name.startsWith('ISOBAR_') || (isService && /^PORT(_\d+)?$/.test(name)))
    return { message: `${name} is set by Isobar itself`, fix: 'choose another name, or use what Isobar sets' }
  return undefined
}

/** Values of the pod itself, as a shell knows them there. */
const own: Readonly<Record<string, string>> = {
  'status.podIP': `$(echo "$ISOBAR_NODE_ADDRESSES" | cut -d, -f$((ISOBAR_RANK + 1)))`,
  'metadata.name': '$ISOBAR_WORKLOAD-$ISOBAR_RANK',
  "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']": '$ISOBAR_RANK',
  "metadata.labels['training.kubeflow.org/replica-index']": '$ISOBAR_RANK',
}

const completionIndex = /^metadata\.(labels|annotations)\['batch\.kubernetes\.io\/job-completion-index'\]$/

function readReference(name: string, item: Field, found: Reading): void {
  const { around, variables } = found
  const from = item.at('valueFrom')
  variables.set(name, undefined)
  const path = from.at('fieldRef', 'fieldPath')
  if (typeof path.value === 'string') {
    const value = completionIndex.test(path.value) ? around.index : own[path.value]
    if (value === undefined) {
      return item.leave({
        message: `nothing here knows ${path.value}`,
        fix: 'see what a program finds in its environment: ISOBAR_WORKLOAD, ISOBAR_RANK, ISOBAR_NODE_ADDRESSES',
      })
    }
    found.exports.push(`export ${name}="${value}"`)
    return from.at('fieldRef').carry('run')
  }
  const secret = from.at('secretKeyRef')
  if (secret.isThere) return readSecret(name, secret, found)
  const map = from.at('configMapKeyRef')
  const value = around.configMaps.get(String(map.at('name').value))?.[String(map.at('key').value)]
  if (value !== undefined) {
    setVariable({ name, text: value.replaceAll('$', '$$$$'), item: map }, found)
    return map.carry('env')
  }
  item.leave({
    message: map.isThere ? 'this ConfigMap is not in the file' : 'what it refers to is not known here',
    fix: `write env: { ${name}: … }`,
  })
}

function readSecret(name: string, secret: Field, found: Reading): void {
  const [object, key] = [secret.at('name').value, secret.at('key').value].map(String)
  if (found.secrets.length >= mostSecrets) return void secret.leave(tooMany)
  delete found.env[name]
  if (!found.secrets.includes(name)) found.secrets.push(name)
  secret.change('secrets', {
    message: `the secret is one of Isobar, called ${name}`,
    fix: `kubectl get secret ${word(object ?? '')} -o go-template='{{index .data "${key}" | base64decode}}' | isobar secret set ${name}`,
  })
}

/** All of a ConfigMap of the same file; of others nobody knows what is in them. */
function readSource(source: Field, found: Reading): void {
  const { around } = found
  const map = source.at('configMapRef')
  const values = around.configMaps.get(String(map.at('name').value))
  if (values && !source.at('prefix').isThere) {
    map.at('name').carry('env')
    for (const [name, value] of Object.entries(values)) {
      const complaint = complaintOf(name, around)
      if (complaint) map.at('name').remark('changed', complaint)
      else setVariable({ name, text: value.replaceAll('$', '$$$$'), item: source }, found)
    }
    return
  }
  source.leave({
    message: 'a spec names each variable and each secret by itself',
    fix: 'write them below env, and secrets below secrets (isobar secret set NAME)',
  })
}
