using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Tests.Security;

/// <summary>What browsers report of the content policy: logged shortly, and of no use to whoever floods or forges it.</summary>
public sealed class PolicyReportTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private IReadOnlyList<string> Lines => [.. _product.Log.Lines.Where(l => l.Contains("content policy forbade", StringComparison.Ordinal))];

    private async Task<HttpStatusCode> SendAsync(string body, string type = "application/csp-report")
    {
        using var content = new StringContent(body, Encoding.UTF8);
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        using var answer = await _product.Client.PostAsync("/csp-report", content);
        return answer.StatusCode;
    }

    [Fact]
    public async Task V27_A_report_is_logged_by_directive_host_and_path_and_with_nothing_else_of_it()
    {
        (await SendAsync("""{"csp-report":{"document-uri":"https://portal.example/reset?token=secret-token","violated-directive":"script-src-elem","effective-directive":"script-src-elem","blocked-uri":"https://evil.example/x.js?stolen=secret-value","script-sample":"alert('secret-sample')","referrer":"https://portal.example/secret-referrer"}}"""))
            .ShouldBe(HttpStatusCode.NoContent);
        (await SendAsync("""[{"type":"csp-violation","body":{"effectiveDirective":"style-src-attr","blockedURL":"inline","documentURL":"https://portal.example/keys","sample":"secret-sample"}}]""", "application/reports+json")).ShouldBe(HttpStatusCode.NoContent);
        Lines.Count.ShouldBe(2);
        Lines[0].ShouldContain("forbade script-src-elem from evil.example on /reset");
        Lines[1].ShouldContain("forbade style-src-attr from inline on /keys");
        _product.Log.Lines.ShouldAllBe(l => !l.Contains("secret-"));
    }

    [Fact]
    public async Task V27_A_forged_report_writes_no_line_of_its_own_and_what_is_none_is_thrown_away()
    {
        (string Body, string Says)[] forged =
        [
            ("""{"csp-report":{"document-uri":"https://p.example/a%0aFATAL b\u001b[31m","violated-directive":"script-src\nFATAL","blocked-uri":"javascript:alert(1)"}}""", "forbade other from other on /a?0aFATAL?20b?1B"),
            ("""{"csp-report":{"violated-directive":"img-src 'self'","blocked-uri":"data"}}""", "forbade img-src from data on other"),
            ("""{"csp-report":{"violated-directive":7,"blocked-uri":null,"document-uri":[]}}""", "forbade other from other on other"),
        ];
        foreach (var (body, says) in forged)
        {
            (await SendAsync(body)).ShouldBe(HttpStatusCode.NoContent);
            Lines[^1].ShouldContain(says);
            Lines[^1].ShouldNotContain("\n");
        }

        Lines.Count.ShouldBe(forged.Length);
        foreach (var body in new[] { "", "[]", "7", "[1,null,{\"body\":3}]", "{\"csp-report\":[]}", "{\"csp-report\"" })
            (await SendAsync(body)).ShouldBe(HttpStatusCode.NoContent);
        Lines.Count.ShouldBe(forged.Length);
    }

    [Fact]
    public async Task V27_Reports_are_short_few_in_one_request_and_rare()
    {
        (await SendAsync("{\"csp-report\":{\"document-uri\":\"" + new string('a', PolicyReports.MaxBytes) + "\"}}")).ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        Lines.ShouldBeEmpty();
        (await SendAsync("[" + string.Join(',', Enumerable.Repeat("""{"body":{"effectiveDirective":"img-src"}}""", 100)) + "]")).ShouldBe(HttpStatusCode.NoContent);
        Lines.Count.ShouldBe(PolicyReports.MaxReports);

        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < Portal.Users.AddressLimits.ReportsPerMinute + 5; i++)
            answers.Add(await SendAsync("[" + string.Join(',', Enumerable.Repeat("""{"body":{"effectiveDirective":"img-src"}}""", 10)) + "]"));
        answers[^1].ShouldBe(HttpStatusCode.TooManyRequests);
        Lines.Count.ShouldBeLessThanOrEqualTo(2 * PolicyReports.MaxLinesPerMinute); // the minute may turn in between
    }

    [Fact]
    public async Task V27_Every_answer_has_a_policy_without_inline_and_says_where_to_report()
    {
        foreach (var path in new[] { "/", "/login", "/overview", "/no-such-page", "/css/portal.css" })
        {
            using var answer = await _product.Client.GetAsync(path);
            var policy = answer.Headers.GetValues("Content-Security-Policy").Single();
            foreach (var part in new[] { "default-src 'none'", "script-src 'self'", "style-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'", "report-uri /csp-report" })
                policy.Split("; ").ShouldContain(part, path);
            policy.ShouldNotContain("unsafe");
        }
    }
}
