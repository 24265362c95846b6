// What is tried out on this page is sent to the server that the page comes from.
SwaggerUIBundle({
  url: '/docs/openapi.json',
  domNode: document.getElementById('reference'),
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
})
