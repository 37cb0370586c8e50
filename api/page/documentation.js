const element = document.getElementById("documentation");
SwaggerUIBundle({ domNode: element, url: element.dataset.url, deepLinking: true });
