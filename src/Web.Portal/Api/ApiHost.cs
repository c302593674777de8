using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using MediatR;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The management API: <c>/api/v1</c>, authenticated by API tokens, snake_case JSON, RFC 9457 problem details, documented at <c>/api</c>.</summary>
internal static class ApiHost
{
    public static void AddApi(this IServiceCollection services)
    {
        services.ConfigureHttpJsonOptions(o =>
        {
            o.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            o.SerializerOptions.DictionaryKeyPolicy = null;
            o.SerializerOptions.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
            o.SerializerOptions.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false));
        });
        services.AddProblemDetails();
        services.AddOpenApi("v1", o => o.AddDocumentTransformer<ApiDocument>());
    }

    public static void MapApi(this WebApplication app)
    {
        var api = app.MapGroup("/api/v1").AddEndpointFilter(AuthenticateAsync).WithMetadata(new ProducesResponseTypeAttribute(typeof(ProblemDetails), 401, "application/problem+json"));
        UsageApi.Map(api);
        SpendApi.Map(api);
        KeysApi.Map(api);
        LimitsApi.Map(api);
        CacheApi.Map(api);
        CredentialsApi.Map(api);
        EndpointsApi.Map(api);
        TokensApi.Map(api);
        PricesApi.Map(api);
        BudgetsApi.Map(api);
        RoutesApi.Map(api);
        AlertsApi.Map(api);
        SettingsApi.Map(api);
        TeamsApi.Map(api);
        MembersApi.Map(api);
        AuditApi.Map(api);
        DataApi.Map(api);
        EstimateApi.Map(api);
        FeedbackApi.Map(api);
        UsageApi.MapImport(app);
        OperatorApi.Map(app);
        BillingApi.Map(api);
        StatementsApi.Map(api);
        StripeMeterApi.Map(api);
        app.MapOpenApi("/api/v1/openapi.json");
        app.UseSwaggerUI(ui =>
        {
            ui.RoutePrefix = "api";
            ui.DocumentTitle = "Tokonomics API";
            ui.SwaggerEndpoint("/api/v1/openapi.json", "v1");
        });
        app.Map("/api/v1/{**rest}", (string rest) => Problem(404, "not_found", $"There is no {rest} in this API; it is documented at /api.")).ExcludeFromDescription();
    }

    private static ValueTask<object?> AuthenticateAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next) =>
        WithStoreAsync(invocation.HttpContext, () => AsCallerAsync(invocation, next, invocation.HttpContext, Bearer(invocation.HttpContext)));

    /// <summary>The token that is presented; null where there is none.</summary>
    public static string? Bearer(HttpContext http)
    {
        var header = http.Request.Headers.Authorization.ToString();
        return header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header[7..].Trim() : null;
    }

    /// <summary>What that answers, or 503 <c>store_unavailable</c> where the database is away.</summary>
    public static async ValueTask<object?> WithStoreAsync(HttpContext http, Func<ValueTask<object?>> answer)
    {
        try
        {
            return await answer();
        }
        catch (Exception e) when (StoreIsAway(e) && !http.Response.HasStarted)
        {
            // Logged where it happened. Whether a change was made is not known where its commit's answer was lost: whoever sends it again finds out.
            http.Response.Headers.RetryAfter = "2";
            return Problem(503, "store_unavailable", "The database can't be reached at the moment. Try again in a moment.");
        }
    }

    private static async ValueTask<object?> AsCallerAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next, HttpContext http, string? presented)
    {
        var mediator = http.RequestServices.GetRequiredService<IMediator>();
        Outcome<Caller> outcome;
        try
        {
            outcome = await mediator.Send(new AuthenticateApiToken(presented), http.RequestAborted);
        }
        catch (Exception e) when (StoreIsAway(e))
        {
            // The first to meet a connection that died with the database. It only read; the next connection is a new one.
            outcome = await mediator.Send(new AuthenticateApiToken(presented), http.RequestAborted);
        }

        if (!outcome.Succeeded)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
            return Problem(401, "token_invalid", presented is null ? "Send an API token (tk_…) in the Authorization header: Bearer tk_…." : outcome.Refusal!.Message);
        }

        http.Items[typeof(Caller)] = outcome.Value;
        return await next(invocation);
    }

    // EF wraps what the store's driver says.
    private static bool StoreIsAway(Exception? e) => e is not null && (e is DbException { IsTransient: true } or TimeoutException || StoreIsAway(e.InnerException));

    /// <summary>Who asks; set by the filter on every route of the group.</summary>
    public static Caller Caller(this HttpContext context) => (Caller)context.Items[typeof(Caller)]!;

    /// <summary>The tenant that the token belongs to.</summary>
    public static string Tenant(this HttpContext context) => context.Caller().TenantId!;

    /// <summary>What a use case did as JSON, or its refusal as problem details.</summary>
    public static IResult Answer<T>(this Outcome<T> outcome, Func<T, object?> shape, int status = 200)
        where T : class =>
        outcome.Succeeded
            ? shape(outcome.Value) is { } body ? Results.Json(body, statusCode: status) : Results.NoContent()
            : Refused(outcome.Refusal!);

    private static IResult Refused(Refusal refusal) => Problem(
        refusal.Kind switch
        {
            RefusalKind.Invalid => 422,
            RefusalKind.NotFound => 404,
            RefusalKind.Forbidden => 403,
            _ => 409,
        },
        refusal.Code,
        refusal.Message,
        refusal.Fields.Count == 0 ? null : refusal.Fields.GroupBy(f => JsonNamingPolicy.SnakeCaseLower.ConvertName(f.Field[(f.Field.LastIndexOf('.') + 1)..])).ToDictionary(f => f.Key, f => f.Select(x => x.Message).ToArray()));

    /// <summary>RFC 9457. The type is stable: programs branch on it.</summary>
    public static IResult Problem(int status, string code, string detail, IReadOnlyDictionary<string, string[]>? errors = null)
    {
        var problem = new ProblemDetails { Status = status, Type = $"urn:tokonomics:problem:{code}", Title = code, Detail = detail };
        if (errors is not null)
            problem.Extensions["errors"] = errors;
        return Results.Problem(problem);
    }
}
