using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

/// <summary>Fields that are written shorter than they are, and read whole.</summary>
public sealed class EventFieldsTests
{
    private static BudgetCharge Charge(string tenant, string budget, string subject, string owner, long covered) =>
        new(new AccountKey(tenant, budget, subject, 1_700_000_000_000_000), owner, new NanoUsd(covered));

    private static readonly BudgetCharge[] Mixed =
    [
        Charge("ten_1", "bud_1", "", "node~1", 5),
        Charge("ten_1", "bud_2", "acme", "node~1", 5),
        Charge("ten_1", "bud_3", "", "node~2", 0),
        Charge("ten_2", "bud_3", "", "node~2", long.MaxValue),
        Charge("ten_2", "bud_4", "Zoë 🦊", "node~1", 7),
        Charge("ten_1", "bud_1", new string('x', 126), "", 7),
        Charge("ten_1", "bud_1", new string('x', 127), "", 7),
        Charge("", "bud_1", new string('é', 5000), "node~1", 7),
    ];

    [Fact]
    public void Charges_whose_tenant_and_owner_change_or_stay_are_read_as_they_were()
    {
        for (var first = 0; first < Mixed.Length; first++)
        {
            for (var count = 0; count <= Mixed.Length - first; count++)
            {
                var charges = Mixed.AsSpan(first, count).ToArray();
                var record = new RecordWriter(RecordType.Extended);
                EventFields.Write(ref record, charges);
                RecordReader.Next(record.Finish(), out _, out var fields).ShouldBeGreaterThan(0);
                var reader = new RecordReader(fields);
                EventFields.ReadCharges(ref reader).ShouldBe(charges);
                reader.Rest.Length.ShouldBe(0);
            }
        }
    }

    [Fact]
    public void Charges_of_the_version_before_name_tenant_and_owner_each_time()
    {
        var record = new RecordWriter(RecordType.Extended);
        record.Number(2);
        foreach (var charge in Mixed.Take(2))
        {
            record.Text(charge.Account.TenantId);
            record.Text(charge.Account.BudgetId);
            record.Text(charge.Account.Subject);
            record.Number(charge.Account.PeriodStart);
            record.Text(charge.Owner);
            record.Number(charge.Covered.Value);
        }

        var reader = new RecordReader(record.Finish()[RecordWriter.HeadBytes..]);
        EventFields.ReadCharges(ref reader).ShouldBe(Mixed.Take(2));
    }

    [Fact]
    public void A_first_charge_without_its_tenant_is_damage()
    {
        var record = new RecordWriter(RecordType.Extended);
        record.Number(1);
        record.Text(null);
        record.Text("bud_1");
        record.Text("");
        record.Number(0);
        record.Text("node~1");
        record.Number(0);
        var fields = record.Finish()[RecordWriter.HeadBytes..].ToArray();
        Should.Throw<FormatException>(() =>
        {
            var reader = new RecordReader(fields);
            EventFields.ReadCharges(ref reader);
        });
    }
}
