// A release of a version that does not exist, in a copy of what names versions.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SCRIPTS = join(ROOT, '.github/release')
const VERSION = '7.8.9'
const NOTES = '### Added\n\n- Everything.\n'
// Nothing here depends on when a commit was made.
const environment = { ...process.env, SOURCE_DATE_EPOCH: '1000000000', LC_ALL: 'C' }

let work

/** Runs a program to its end, and answers how that was. */
function run (program, args, options = {}) {
  return new Promise(resolve => {
    execFile(program, args, { env: environment, ...options }, (error, stdout, stderr) => {
      resolve({ status: error ? error.code : 0, said: stdout + stderr })
    })
  })
}

const script = (name, ...args) => run(join(SCRIPTS, name), args)

before(async () => { work = await mkdtemp(join(tmpdir(), 'fanfare-release-')) })
after(() => rm(work, { recursive: true }))

/** Files that name versions, all of them `VERSION`, in a directory of their own. */
async function copy () {
  const root = await mkdtemp(join(work, 'copy-'))
  for (const path of ['Cargo.toml', 'docs/configuration.md', 'docs/metrics.md', 'docs/codes.md']) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await cp(join(ROOT, path), join(root, path))
  }
  await edit(root, 'Cargo.toml', text => text.replace(/^version = ".*"$/m, `version = "${VERSION}"`))
  await edit(root, 'helm/fanfare/Chart.yaml', () => `name: fanfare\nversion: ${VERSION}\nappVersion: "${VERSION}"\n`)
  await edit(root, 'CHANGELOG.md', () =>
    `# Changelog\n\n## [Unreleased]\n\n## [${VERSION}] - 2030-01-31\n\n${NOTES}\n## [7.8.8] - 2030-01-30\n\n- Old.\n`)
  const recorded = await run(process.env.XTASK, ['release', 'record', '--root', root])
  assert.equal(recorded.status, 0, recorded.said)
  return root
}

async function edit (root, path, change) {
  await mkdir(dirname(join(root, path)), { recursive: true })
  const text = await readFile(join(root, path), 'utf8').catch(() => '')
  const changed = change(text)
  assert.notEqual(changed, text, `${path} is changed`)
  await writeFile(join(root, path), changed)
}

const check = (root, tag = `v${VERSION}`) => run(process.env.XTASK, ['release', 'check', tag, '--root', root])

test('a version is released when every file names it', async () => {
  const { status, said } = await check(await copy())
  assert.equal(status, 0, said)
})

const MISTAKES = [
  ['a tag of another version', 'Cargo.toml:1', async () => {}, 'v7.8.8'],
  ['a tag without its v', 'Cargo.toml:1', async () => {}, VERSION],
  ['a workspace of another version', 'Cargo.toml:1', root =>
    edit(root, 'Cargo.toml', text => text.replace(`"${VERSION}"`, '"7.9.0"'))],
  ['a chart of another version', 'helm/fanfare/Chart.yaml:2', root =>
    edit(root, 'helm/fanfare/Chart.yaml', text => text.replace(VERSION, '7.8.8'))],
  ['a chart of another application', 'helm/fanfare/Chart.yaml:3', root =>
    edit(root, 'helm/fanfare/Chart.yaml', text => text.replace(`"${VERSION}"`, '"7.8.8"'))],
  ['a missing chart', 'helm/fanfare/Chart.yaml:1', root => rm(join(root, 'helm'), { recursive: true })],
  ['a changelog that says nothing of it', 'CHANGELOG.md', root =>
    edit(root, 'CHANGELOG.md', text => text.replace(`## [${VERSION}] - 2030-01-31\n\n${NOTES}`, ''))],
  ['changes that are left under Unreleased', 'CHANGELOG.md:3', root =>
    edit(root, 'CHANGELOG.md', text => text.replace('[Unreleased]\n', '[Unreleased]\n\n- Forgotten.\n'))],
  ['a day that is none', 'CHANGELOG.md', root =>
    edit(root, 'CHANGELOG.md', text => text.replace('2030-01-31', 'YYYY-MM-DD'))],
  ['names that are not recorded', 'docs/released-names.txt:1', root =>
    edit(root, 'docs/released-names.txt', text => text.replace('setting redis.url\n', ''))],
  ['a metric that vanished', 'docs/released-names.txt', root =>
    edit(root, 'docs/metrics.md', text => text.replace(/^\| `fanfare_connections` .*\n/m, ''))],
  ['a label that vanished', 'docs/released-names.txt', root =>
    edit(root, 'docs/metrics.md', text => text.replace(/(`fanfare_api_requests_total` .*)`method`, /, '$1'))]
]

for (const [what, where, make, tag] of MISTAKES) {
  test(`${what} stops a release`, async () => {
    const root = await copy()
    await make(root)
    const { status, said } = await check(root, tag)
    assert.equal(status, 1, said)
    assert.ok(said.includes(where), said)
  })
}

test('what is removed may vanish when the changelog says so', async () => {
  const root = await copy()
  await edit(root, 'docs/metrics.md', text => text.replace(/^\| `fanfare_connections` .*\n/m, ''))
  await edit(root, 'CHANGELOG.md', text => text.replace(NOTES, `${NOTES}\n### Removed\n\n- Metric \`fanfare_connections\`.\n`))
  const { said } = await check(root)
  assert.ok(!said.includes('fanfare_connections'), said)
})

test('the notes of a release are its section of the changelog', async () => {
  const root = await copy()
  const notes = version => run(process.env.XTASK, ['release', 'notes', version, '--root', root])
  assert.deepEqual(await notes(VERSION), { status: 0, said: NOTES })
  assert.equal((await notes('7.8.7')).status, 1)
})

/** A static program that answers `--version`, or what else the options make of it. */
function program (name, options = ['-static'], version = VERSION) {
  const path = join(work, name)
  execFileSync('gcc', ['-x', 'c', '-o', path, ...options, '-'],
    { input: `#include <stdio.h>\nint main() { puts("fanfare ${version} (0123456789ab)"); }\n` })
  return path
}

const HERE = process.arch === 'arm64' ? 'arm64' : 'amd64'
const ELSEWHERE = HERE === 'arm64' ? 'amd64' : 'arm64'

test('an archive of the same program has the same bytes, and a checksum', async () => {
  const packed = program('static')
  const [one, two] = [join(work, 'one'), join(work, 'two')]
  for (const directory of [one, two]) {
    const { status, said } = await script('archive.sh', packed, VERSION, HERE, directory)
    assert.equal(status, 0, said)
    assert.equal((await script('checksums.sh', directory)).status, 0)
  }
  const name = `fanfare-${VERSION}-linux-${HERE}`
  const sums = await readFile(join(one, 'SHA256SUMS'), 'utf8')
  assert.match(sums, new RegExp(`^[0-9a-f]{64} {2}${name}\\.tar\\.gz\n$`))
  assert.equal(sums, await readFile(join(two, 'SHA256SUMS'), 'utf8'))
  assert.equal((await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: one })).status, 0)

  const inside = execFileSync('tar', ['--list', '--verbose', '--file', join(one, `${name}.tar.gz`)], { encoding: 'utf8' })
  const files = inside.trim().split('\n').map(line => line.split(/\s+/)).map(words => [words[0], words[1], words.at(-1)])
  assert.deepEqual(files, [
    ['drwxr-xr-x', '0/0', `${name}/`],
    ['-rw-r--r--', '0/0', `${name}/CHANGELOG.md`],
    ['-rw-r--r--', '0/0', `${name}/LICENSE`],
    ['-rw-r--r--', '0/0', `${name}/README.md`],
    ['-rwxr-xr-x', '0/0', `${name}/fanfare`]
  ])
})

test('a program that needs a loader, is of another version or for another machine is not packed', async () => {
  const refused = [
    [program('dynamic', []), HERE, 'is not static'],
    [program('older', ['-static'], '7.8.8'), HERE, 'says that it is fanfare 7.8.8'],
    [program('here'), ELSEWHERE, `is not built for ${ELSEWHERE}`],
    [join(ROOT, 'README.md'), HERE, 'is no program']
  ]
  for (const [path, architecture, why] of refused) {
    const { status, said } = await script('archive.sh', path, VERSION, architecture, join(work, 'refused'))
    assert.equal(status, 1, why)
    assert.ok(said.includes(why), said)
  }
  assert.equal((await readdir(work)).includes('refused'), false)
})
