using Tokonomics.Domain.Alerts;

namespace Tokonomics.Tests.Alerts;

public sealed class ChannelTests
{
    private static readonly string[] Slack = ["hooks.slack.com"];
    private static readonly string[] Teams = [".logic.azure.com"];

    [Theory]
    [InlineData(ChannelKind.Email, "oncall@example.com", true)]
    [InlineData(ChannelKind.Email, "a@example.com,b@example.com", false)]
    [InlineData(ChannelKind.Email, "a@example.com b@example.com", false)]
    [InlineData(ChannelKind.Email, "On call <a@example.com>", false)]
    [InlineData(ChannelKind.Email, "a@example.com\r\nBcc: b@example.com", false)]
    [InlineData(ChannelKind.Email, "nobody", false)]
    [InlineData(ChannelKind.Slack, "https://hooks.slack.com/services/T0/B0/x", true)]
    [InlineData(ChannelKind.Slack, "http://hooks.slack.com/services/T0/B0/x", false)]
    [InlineData(ChannelKind.Slack, "https://hooks.slack.com.evil.example/services", false)]
    [InlineData(ChannelKind.Slack, "https://hooks.slack.com@evil.example/services", false)]
    [InlineData(ChannelKind.Teams, "https://prod-1.westeurope.logic.azure.com/workflows/x/triggers?api-version=1&sig=abc", true)]
    [InlineData(ChannelKind.Teams, "https://logic.azure.com.evil.example/x", false)]
    [InlineData(ChannelKind.Webhook, "https://example.com/hooks/tokonomics", true)]
    [InlineData(ChannelKind.Webhook, "https://169.254.169.254/latest/meta-data", false)]
    [InlineData(ChannelKind.Webhook, "https://localhost/x", false)]
    [InlineData(ChannelKind.Webhook, "https://0x7f.1/x", false)]
    [InlineData(ChannelKind.Webhook, "ftp://example.com/x", false)]
    [InlineData(ChannelKind.PagerDuty, "0123456789abcdef0123456789abcdef", true)]
    [InlineData(ChannelKind.PagerDuty, "https://events.pagerduty.com/x", false)]
    [InlineData(ChannelKind.Webhook, " ", false)]
    public void An_address_leads_where_its_kind_may(ChannelKind kind, string address, bool allowed) =>
        (ChannelAddress.Problem(kind, address, kind switch { ChannelKind.Slack => Slack, ChannelKind.Teams => Teams, _ => [] }, allowPrivate: false) is null).ShouldBe(allowed);

    [Theory]
    [InlineData(ChannelKind.Slack, "https://hooks.slack.com/services/T0/B0/secret", "hooks.slack.com")]
    [InlineData(ChannelKind.PagerDuty, "0123456789abcdef0123456789abcdef", "…cdef")]
    [InlineData(ChannelKind.Email, "oncall@example.com", "oncall@example.com")]
    public void What_is_shown_of_an_address_is_no_secret(ChannelKind kind, string address, string shown) => ChannelAddress.Shown(kind, address).ShouldBe(shown);

    [Fact]
    public void Messages_are_tried_again_over_a_day_and_no_longer()
    {
        var total = TimeSpan.Zero;
        for (var attempt = 1; attempt < DeliverySchedule.Attempts; attempt++)
        {
            var (least, most) = (DeliverySchedule.After(attempt, null, 0)!.Value, DeliverySchedule.After(attempt, null, 1)!.Value);
            most.ShouldBe(least * 1.1);
            total += least;
        }

        total.ShouldBeInRange(TimeSpan.FromHours(22), TimeSpan.FromHours(26));
        DeliverySchedule.After(DeliverySchedule.Attempts, null, 0).ShouldBeNull();
        DeliverySchedule.After(0, null, 0).ShouldBeNull();
        DeliverySchedule.After(1, TimeSpan.FromMinutes(2), 0).ShouldBe(TimeSpan.FromMinutes(2)); // as asked
        DeliverySchedule.After(5, TimeSpan.FromSeconds(1), 0).ShouldBe(TimeSpan.FromHours(1)); // not sooner than planned
        DeliverySchedule.After(1, TimeSpan.FromDays(300), 0).ShouldBe(TimeSpan.FromHours(6)); // nobody keeps us waiting for ever
    }

    [Fact]
    public void Kinds_have_words_that_come_back()
    {
        foreach (var kind in Enum.GetValues<AlertKind>())
            AlertKinds.Parse(kind.Word()).ShouldBe(kind);
        AlertKinds.Parse("nothing").ShouldBeNull();
    }
}
