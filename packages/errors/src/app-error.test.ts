import t from 'tap'
import { AppError } from './app-error.ts'

t.test('carries code, status and message, and keeps 5xx messages from callers by default', async (t) => {
  const error = new AppError('EMAIL_TAKEN', 409, 'Another user has this email')
  t.match(error, { name: 'AppError', code: 'EMAIL_TAKEN', statusCode: 409, expose: false })
  t.equal(String(error), 'AppError: Another user has this email')
  t.ok(error instanceof Error)
  t.match(error.stack, 'app-error.test.ts')
})

t.test('has no property that was not given', async (t) => {
  t.same(Object.keys(new AppError('A', 500, 'a')).sort(), ['code', 'expose', 'name', 'statusCode'])
  t.notOk('cause' in new AppError('A', 500, 'a', { retryAfterSeconds: undefined, errors: undefined }))
})

t.test('keeps cause, retry time and fields', async (t) => {
  const cause = new Error('refused')
  const errors = [{ field: 'email', message: 'is taken' }]
  const error = new AppError('A', 503, 'a', { cause, retryAfterSeconds: 1, expose: true, errors })
  t.equal(error.cause, cause)
  t.match(error, { retryAfterSeconds: 1, expose: true, errors })
})

t.test('a subclass is named after its class', async (t) => {
  class PaymentError extends AppError<'PAYMENT_FAILED'> {
    constructor() {
      super('PAYMENT_FAILED', 402, 'The payment failed')
    }
  }
  t.match(new PaymentError(), { name: 'PaymentError', code: 'PAYMENT_FAILED' })
})

t.test('one object can be thrown many times', async (t) => {
  const unavailable = new AppError('UNAVAILABLE', 503, 'not in use')
  const { stack } = unavailable
  for (let i = 0; i < 2; i++) {
    await t.rejects(Promise.reject(unavailable), { code: 'UNAVAILABLE' })
    t.equal(unavailable.stack, stack)
  }
})
