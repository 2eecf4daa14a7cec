import type { DraftResources } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { quantity } from '#providers/kubernetes/quantity.ts'

const to = 'resources.sharedMemory'
const mebibyte = 2 ** 20

/** A volume in memory over /dev/shm: without a limit of its own it is as large as the memory, which is so everywhere. */
export function sharedMemoryOf(spec: Field, container: Field): Pick<DraftResources, 'sharedMemory'> {
  const mount = membersOf(container.at('volumeMounts')).find((one) => one.at('mountPath').value === '/dev/shm')
  const volume = membersOf(spec.at('volumes')).find(
    (one) => one.at('name').value === mount?.at('name').value && one.at('emptyDir', 'medium').value === 'Memory',
  )
  if (!mount || !volume) return {}
  const limit = volume.at('emptyDir', 'sizeLimit')
  const bytes = limit.isThere ? quantity(String(limit.value)) : 0
  const [requested, limited] = ['requests', 'limits'].map((of) => container.at('resources', of, 'memory').value)
  const memory = quantity(String(requested ?? limited ?? ''))
  mount.carry(to)
  if (limit.isThere && (bytes < mebibyte || (memory > 0 && bytes > memory))) {
    limit.leave({
      message: 'shared memory is a part of the memory',
      fix: 'write as much resources.memory, or less of it',
    })
    return {}
  }
  volume.carry(to)
  return limit.isThere ? { sharedMemory: formatSizeMiB(Math.floor(bytes / mebibyte)) } : {}
}

/** What is no list is told where it is read. */
const membersOf = (field: Field): Field[] => (Array.isArray(field.value) ? field.items() : [])
