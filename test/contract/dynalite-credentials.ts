/** Any will do for the embedded DynamoDB server. */
export const dynaliteCredentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'example' }
