using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What the OpenAPI document says of the API as a whole.</summary>
internal sealed class ApiDocument(IOptions<PortalOptions> options) : IOpenApiDocumentTransformer
{
    public Task TransformAsync(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Tokonomics management API",
            Version = "v1",
            Description = "Usage, budgets, routes, keys, provider credentials, endpoints and tokens of one tenant: the one that the API token belongs to. Routes under /operator take a token of the setting Portal:OperatorTokens instead. Costs are decimal strings in USD, exact to the nano-dollar; times are RFC 3339 in UTC.",
        };
        document.Servers = [new OpenApiServer { Url = options.Value.PublicUrl.ToString().TrimEnd('/') }];
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            ["token"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "An API token: tk_…" },
        };
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("token", document)] = [] }];
        return Task.CompletedTask;
    }
}
