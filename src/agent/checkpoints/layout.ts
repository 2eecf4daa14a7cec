import type { OpenStore } from '#model/checkpoint-store.ts'

/** Whose checkpoints these are, and where they are kept. Attempts and ranks never write below the keys of another. */
export type Place = { store: OpenStore; workload: string; attempt: number; rank: number }

/** A file in a store: in parts of so many bytes, each with its SHA-256 in hexadecimal; an empty file is one of nothing. */
export type StoredFile = { path: string; key: string; size: number; partBytes: number; parts: string[] }

/** All files of a rank at one moment. */
export type Manifest = { files: StoredFile[] }

/** Says that a checkpoint of the whole gang is there: the keys of the manifests of its ranks. It is written last. */
export type Complete = { manifests: string[] }

/** What rank 0 asks the others for: their files as of now or later. Manifests before `keep` are wanted no more. */
export type Asked = { generation: number; keep: number }

/** So much of a file is held at once. CoreWeave takes parts of 15 MiB or more (docs.coreweave.com, quotas, 2026-04-14). */
const leastPartBytes = 16 * 1024 * 1024
/** No store takes more parts of one object. */
const mostParts = 10_000

export const partBytesOf = (size: number): number => {
  const mebibyte = 1024 * 1024
  return Math.max(leastPartBytes, Math.ceil(size / mostParts / mebibyte) * mebibyte)
}

/** Numbers in keys sort as numbers do. */
const sorted = (number: number): string => String(number).padStart(10, '0')

export const attemptsKey = ({ store, workload }: Pick<Place, 'store' | 'workload'>): string =>
  `${store.prefix}${workload}/`

export const attemptKey = (place: Omit<Place, 'rank'>): string => `${attemptsKey(place)}${place.attempt}/`

/** A file as it was in a generation of its rank; people who look into the bucket know it by its name. */
export const fileKey = (place: Place, generation: number, path: string): string =>
  `${attemptKey(place)}files/${place.rank}/${sorted(generation)}/${path.split('/').map(encodeURIComponent).join('/')}`

export const manifestsKey = (place: Omit<Place, 'rank'>, generation: number): string =>
  `${attemptKey(place)}manifests/${sorted(generation)}/`

export const manifestKey = (place: Place, generation: number): string =>
  `${manifestsKey(place, generation)}${place.rank}`

/** The last manifest of a rank that has ended: it answers whatever is asked later. */
export const lastManifestKey = (place: Place): string => `${lastManifestsKey(place)}${place.rank}`
export const lastManifestsKey = (place: Omit<Place, 'rank'>): string => `${attemptKey(place)}ended/`

export const askedKey = (place: Omit<Place, 'rank'>): string => `${attemptKey(place)}asked`

export const completesKey = (place: Omit<Place, 'rank'>): string => `${attemptKey(place)}complete/`
export const completeKey = (place: Omit<Place, 'rank'>, generation: number): string =>
  `${completesKey(place)}${sorted(generation)}`

/** The number that a key ends with. */
export const lastNumber = (key: string): number => Number(/(\d+)\/?$/.exec(key)?.[1])

/** Whether a path leads to a file below the folder that it is put into. */
export const isInside = (path: string): boolean =>
  path !== '' && !path.startsWith('/') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
