"""The words of the generated contexts; the names of one thing or deed mean the same."""

PEOPLE = ("Ada", "Bruno", "Chen", "Divya", "Emil", "Farah", "Goran", "Hana", "Ines", "Jonas")
PLACES = (
    *("Aarhus", "Bilbao", "Cork", "Dresden", "Esbjerg", "Faro", "Ghent", "Haifa", "Izmir"),
    *("Jena", "Kaunas", "Lugo", "Malaga", "Narvik", "Odense", "Porto"),
)
THINGS = (
    ("harbour crane", "dock hoist"),
    ("bicycle", "bike", "two-wheeler"),
    ("air compressor", "pressure pump"),
    ("violin", "fiddle"),
    ("north gate", "upper entrance"),
    ("kayak", "canoe"),
    ("beehive", "bee box", "apiary"),
    ("greenhouse heater", "glasshouse stove"),
    ("camera lens", "objective"),
    ("water pump", "well engine"),
    ("ferry timetable", "boat schedule"),
    ("weather balloon", "sounding probe"),
    ("bakery oven", "bread furnace"),
    ("field notebook", "research diary"),
    ("tide gauge", "sea level meter"),
    ("delivery van", "small truck", "lorry"),
    ("wine cellar", "vault for bottles"),
    ("sewing machine", "stitching device"),
    ("lighthouse lamp", "beacon"),
    ("garden shed", "tool hut"),
)
DEEDS = (
    ("repaired", "fixed", "mended"),
    ("sold", "auctioned", "traded away"),
    ("painted", "varnished", "coated"),
    ("lent out", "loaned"),
    ("lost", "misplaced", "mislaid"),
    ("insured", "underwrote"),
    ("photographed", "snapped"),
    ("moved", "relocated", "shifted"),
    ("bought", "purchased", "acquired"),
    ("cleaned", "scrubbed", "washed"),
)
FILLER_STARTS = (
    "The meeting went on for a while",
    "It rained most of the week",
    "The invoices are still open",
    "Lunch was late again",
    "Somebody left the lights on",
    "The new rota is being discussed",
    "There was no news from the supplier",
    "A short walk along the quay helped",
    "The printer has run out of paper",
    "The choir rehearsed twice",
    "Two parcels came back",
    "The phone rang all morning",
)
FILLER_MIDDLES = (
    "which annoyed everyone a little",
    "so the yard stayed closed",
    "as the board had feared",
    "in spite of the warm weather",
    "and nobody wrote anything down",
    "much like the year before",
    "while the coffee grew cold",
    "although the budget had been agreed",
    "except on the day of the fair",
)
FILLER_ENDS = (
    "overnight",
    "for no reason at all",
    "until the evening",
    "as usual",
    "and that was that",
    "once more",
    "before the holidays",
    "to the surprise of the neighbours",
    "without any further comment",
)

# How a fact is told: in one sentence, or with place and year in a later one.
TELLING = (
    "{who} {deed} the {thing}",
    "Last spring {who} finally {deed} the {thing}",
    "Nobody noticed, but {who} {deed} the {thing}",
    "{who} went ahead and {deed} the {thing}",
    "As agreed with the neighbours, {who} {deed} the {thing}",
    "{who} {deed} the {thing}, and not for the first time,",
)
TELLING_ENDS = (
    " after all",
    ", as you know",
    " with a little help from the family",
    " against all advice",
    " on a whim",
    ", which took the whole weekend",
)
ASIDES = (
    "It took longer than anybody had thought.",
    "The costs were shared in the end.",
    "Not everyone was happy with that.",
    "Somebody brought cake for the occasion.",
    "There is a letter about it somewhere.",
)
PLACE_AND_TIME = (
    "That was down in {place}, back in {year}.",
    "It happened during a stay in {place}, the year was {year}.",
    "{place} was the only town with room for it, and {year} was a good year.",
    "By the way, all this took place near {place}; the receipt says {year}.",
    "In {year} the road to {place} had just been opened, which made it easy.",
    "The papers from {place} carry a stamp of {year}.",
)
