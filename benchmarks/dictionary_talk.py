"""What the bootstrap dictionary learns talk from: phrases of our own that any assistant needs.

Never changed once a dictionary was made of them: a new dictionary gets new texts and a new number.
"""

ASKING = (
    "Hi, I need some help with {thing}. {more}",
    "Hello! Could you help me with {thing}, please?",
    "I would like to change {thing}. What are my options?",
    "Can you tell me more about {thing}? {more}",
    "I'm having trouble with {thing}. It doesn't work as expected. {more}",
    "What is the difference between {thing} and the other one?",
    "I want to cancel {thing} and get a refund. Is that possible?",
    "Please find {thing} for me and tell me how much it costs.",
    "How do I set up {thing}? I've tried a few things already, but nothing worked.",
    "Write a short summary of {thing} in three sentences.",
    "Thanks. And what about {thing}?",
    "Is there any way to get {thing} without paying the difference?",
    "I don't remember the number, but it was about {thing}.",
    "Why does {thing} take so long? {more}",
)
REPLYING = (
    "Yes, please go ahead.",
    "Yes, that's correct. Please proceed.",
    "Yes, I confirm. Please use the credit card ending in {number}.",
    "No, thank you. That's all I needed for today.",
    "My user ID is {person}_{number}, and the order number is {code}.",
    "Sure, my email address is {person}@example.com.",
    "I don't have that information right now. Can you look it up for me?",
    "That sounds good to me. How much will it cost in total?",
    "I understand, but I would still like to know if there is another option.",
    "Great, thank you so much for your help! Have a nice day.",
    "Okay, let's do that. I'd prefer the cheapest one that leaves in the morning.",
    "Actually, I changed my mind. Could you keep everything as it is?",
    "I'm not sure about that. Could you explain what happens if I don't?",
    "Perfect, that works for me. I appreciate your assistance.",
)
MORE = (
    "I bought it last week and it arrived on {date}.",
    "It should be quick, I only need to know the price.",
    "Let me know if you need any more information from me.",
    "I have already tried to restart it, and the same error message appears.",
    "There are two people in the group, and both have the same last name.",
    "I was told that it would be free because of my membership.",
    "The deadline is {date}, so I am in a bit of a hurry.",
    "We would like to leave after {time} and come back on {date}.",
    "",
)
OPENING = (
    "I'd be happy to help you with {thing}!",
    "Thank you for providing the information.",
    "Thank you for your patience. I have found the details of {thing}.",
    "I'm sorry to hear that you are having trouble with {thing}.",
    "I apologize for the inconvenience.",
    "I understand that you would like to change {thing}.",
    "Of course! Let me look into that for you.",
    "Great question! There are several ways to do this.",
    "Sure, here is what I found:",
    "Based on the information that you provided, there are a few options available:",
    "It looks like there was an issue with {thing}.",
    "Unfortunately, I am unable to make this change because of our policy.",
    "Your request has been successfully processed.",
    "To proceed with your request, I will need the following information:",
    "Let me check the current status of {thing} first.",
    "You're welcome! I'm glad I could help.",
)
MIDDLES = (
    "The total cost is ${price}, which includes all taxes and fees.",
    "The difference of ${price} will be charged to your original payment method.",
    "A refund of ${price} will be issued to your credit card within {few} business days.",
    "It is scheduled to arrive on {date} at {time}.",
    "Could you please provide your user ID and the order number, so that I can find it?",
    "Please confirm that all the details are correct before I go ahead.",
    "Since you are a regular member, you can add up to {few} of them at no extra cost.",
    "However, please note that this cannot be changed after it has been booked.",
    "If you have any questions or need further assistance, feel free to ask.",
    "This means that the value is only available for a limited time.",
    "For example, you can use it to find all of the items that were created on {date}.",
    "In order to do that, we first have to make sure that the file exists.",
    "It is important to keep in mind that the results may be different each time.",
    "The first one is the most common, and the second one is used when there is no other way.",
    "As you can see, there are {few} options that match what you are looking for.",
    "On the other hand, it would take more time and you should be able to do without.",
    "I have updated {thing} and sent a confirmation to {person}@example.com.",
    "The system does not allow me to do that, but I can transfer you to a colleague.",
)
CLOSING = (
    "Would you like me to proceed with this? Please reply with yes or no.",
    "Is there anything else that I can help you with today?",
    "Please let me know how you would like to proceed.",
    "Do you want to continue with these changes?",
    "Let me know which option you prefer, or if you would like to see others.",
    "If you need anything else, please don't hesitate to ask. Have a great day!",
    "Which payment method would you like to use for this?",
    "I hope this helps! Let me know if you have any other questions.",
    "Once you confirm, I will make the changes for you.",
    "",
)
LISTS = (
    (
        "\n\n1. **{Thing}**\n   - Date: {date}\n   - Start: {time}\n   - End: {time}\n"
        "   - Price: ${price}\n\n2. **{Thing}**\n   - Date: {date}\n   - Start: {time}\n"
        "   - End: {time}\n   - Price: ${price}\n\n"
    ),
    (
        "\n\n- **Order ID:** {code}\n- **Status:** {status}\n- **Created:** {date}\n"
        "- **Total:** ${price}\n- **Payment method:** Credit card ending in {number}\n\n"
    ),
    (
        "\n\n### Steps\n\n1. Open the settings and select {thing}.\n2. Click on **Save** "
        "and wait for "
        "a few seconds.\n3. Check that the status is `{status}`.\n\n"
    ),
    (
        "\n\n| name | price | status |\n|---|---|---|\n| {thing} | ${price} | {status} |\n"
        "| {thing} | ${price} | {status} |\n\n"
    ),
    (
        '\n\n```python\nimport os\nimport sys\n\n\ndef main():\n    print("{thing}")\n\n\n'
        'if __name__ == "__main__":\n    main()\n```\n\n'
    ),
    "\n\n",
    " ",
)
RULES = (
    "You are a helpful assistant. Answer the questions of the user as well as you can.",
    "You are an agent of a customer service. Follow the rules below at all times.",
    (
        "## Rules\n\n- Before taking any action that changes something, list the details "
        "and ask the "
        "user to confirm (yes or no).\n- Make only one tool call at a time, and do not "
        "answer the user "
        "in the same message.\n- Do not make up any information that is not given by the "
        "user or the "
        "tools.\n- Deny requests that are against this policy.\n"
    ),
    (
        "- Each user has an id, a name, an email, addresses, a date of birth and payment methods.\n"
        "- Each order has a number, items, a status, a payment and the time when it was created.\n"
    ),
    "The current date is {date}, and the time is {time}.",
    (
        "You are working in a terminal. In each step, think about what to do next and then "
        "run exactly "
        "one command. Wait for its output before you run another one. You can edit files, run the "
        "tests and search the repository. When you are done, say so.\n"
    ),
    (
        "Use the tools that are available to you. If a tool returns an error, try to fix "
        "the problem "
        "and call it again with other arguments."
    ),
    "Be concise and polite. Respond in the language of the user, in Markdown.",
    (
        "Your task is to solve the issue below without asking for help. You do not have to "
        "change the "
        "tests. Make sure that the indentation is correct when you edit Python code.\n"
    ),
)
THINKING = (
    "Let's first look at the files in the repository to get an idea of its structure.",
    "The error message says that the module could not be found, so let's check the imports.",
    "Now that we have found the function, we need to change the line that computes the result.",
    "It seems that the problem is in line {number} of `{file}`. Let's open it.",
    "We should write a small script that reproduces the issue before we fix anything.",
    "The tests pass now. Let's remove the script that we created and commit the changes.",
    "My edit was not applied because of a syntax error. Let me fix the indentation and try again.",
    "Let's search for all places in the code where `{name}` is used.",
    "The output shows that the value is still wrong. We have to convert it to an integer first.",
    "I'll run the script again to see if the change has the desired effect.",
    "The settings are read from a file, so let's see what is in `{file}`.",
    "Next, I will install the package that is missing and run the command once more.",
)
THINGS = (
    *("my order", "the reservation", "your booking", "the trip", "the invoice", "my account"),
    *("the subscription", "the delivery", "a new laptop", "the meeting", "the report", "a ticket"),
    *("the password", "this function", "the database", "the file", "the address", "the payment"),
    *("the hotel room", "the train", "the insurance", "the gift card", "a certificate", "the list"),
    *("the parcel", "the return", "the product", "the server", "this error", "the document"),
)
PEOPLE = (
    *("anna", "bruno", "carla", "daniel", "emma", "felix", "grace", "henry", "ivan", "julia"),
    *("karen", "liam", "maria", "noah", "olivia", "peter", "raj", "sara", "thomas", "wei"),
)
FAMILIES = (
    *("Smith", "Johnson", "Brown", "Garcia", "Miller", "Davis", "Lopez", "Wilson", "Anderson"),
    *("Martin", "Lee", "Thompson", "White", "Clark", "Lewis", "Walker", "Young", "King", "Nguyen"),
)
PLACES = (
    *("New York", "Los Angeles", "Chicago", "Houston", "Phoenix", "Philadelphia", "San Francisco"),
    *("Seattle", "Denver", "Boston", "Dallas", "Miami", "Atlanta", "London", "Paris", "Berlin"),
)
STATUSES = (
    *("pending", "completed", "cancelled", "available", "delivered", "confirmed", "active"),
    *("processing", "failed", "open", "closed", "shipped", "refunded", "delayed"),
)
PROSE = (
    (
        "In general, this is the case when there are more than a few of them, and it does "
        "not matter "
        "which of them comes first."
    ),
    (
        "The following table shows the results of the experiment, together with the time "
        "that each of "
        "them took."
    ),
    (
        "According to the report, the number of people who live in the area has increased over the "
        "last ten years, although there are no figures for the most recent one."
    ),
    (
        "It was not until the end of the century that the first of these were built, and "
        "most of them "
        "are still in use today."
    ),
    (
        "We would like to thank everyone who has taken part in the discussion about what should be "
        "done next."
    ),
    (
        "This section describes how to install the package, how to configure it and what to do if "
        "something goes wrong."
    ),
    "He said that he had never seen anything like it before, and that he would think about it.",
    "She looked at him for a moment, then she smiled and walked away without another word.",
    (
        "However, there are several reasons why this may not be possible, such as the lack "
        "of time or "
        "the cost of the materials that are needed."
    ),
    "I think that we should talk about the budget first, and then about the project as a whole.",
    "Yeah, I mean, that is what we said at the last meeting, so I don't know why it is still here.",
    "Okay, so the next point is the remote control. Does anybody want to say something about it?",
    (
        "Returns the number of items, or `None` if there are none. Raises an error if the "
        "argument is "
        "not a valid value."
    ),
    "By default, this option is disabled. Set it to `true` in the configuration file to use it.",
    "For more information, see the documentation at https://www.example.com/docs/index.html.",
    "Note that the order in which the elements appear is not guaranteed to be the same.",
)
