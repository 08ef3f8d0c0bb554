SwaggerUIBundle({
  url: "/schema/openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null, displayRequestDuration: true,
  defaultModelsExpandDepth: 0
});
